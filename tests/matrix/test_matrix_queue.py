# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Fault matrix: workers and schedulers that are lost, dead or too many."

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
import trytond.config as config
from matrix_clinic import SWEEP, bundles, sees, settled, sweep_is_due
from trytond.pool import Pool
from trytond.protocols.wrappers import Response
from trytond.worker import run_task
from trytond.wsgi import app
from werkzeug.test import Client


@pytest.fixture
def with_worker():
    "The configuration says that a worker runs queued tasks"
    if not config.has_section('queue'):
        config.add_section('queue')
    before = config.get('queue', 'worker', default='')
    config.set('queue', 'worker', 'True')
    yield
    config.set('queue', 'worker', before or 'False')


def pull(clinic):
    "Take a task as a worker does and return its id, None without any"
    with clinic.transaction(user=0):
        Queue = Pool().get('ir.queue')
        tasks = Queue.search([
                ('name', '=', 'satusehat'), ('dequeued_at', '=', None)],
            limit=1)
        Queue.write(tasks, {'dequeued_at': dt.datetime.now()})
        return tasks[0].id if tasks else None


def work_off(clinic):
    "Do all tasks that wait, as a worker does; return how many"
    count = 0
    while task := pull(clinic):
        run_task(clinic.database, task)
        count += 1
    return count


@pytest.mark.fault(14)
def test_task_that_is_lost_with_its_worker(clinic, emulator, with_worker):
    visit = clinic.visit()
    assert pull(clinic), "finishing wakes a worker"
    assert not work_off(clinic), "the task is lost"
    assert sees(clinic, visit, 14)['state'] == 'pending'
    assert not emulator.journal.entries()
    clinic.push()
    work_off(clinic)
    assert sees(clinic, visit, 14)['state'] == 'sent'
    assert len(bundles(emulator)) == 1
    settled(clinic, emulator)


@pytest.mark.fault(15)
def test_worker_delivers_without_a_scheduler(clinic, emulator, with_worker):
    visit = clinic.visit()
    assert work_off(clinic) == 1
    assert sees(clinic, visit, 15)['state'] == 'sent'
    settled(clinic, emulator)


@pytest.mark.fault(15)
def test_scheduler_delivers_without_a_worker(clinic, emulator):
    visit = clinic.visit()
    assert not pull(clinic)
    clinic.push()
    assert sees(clinic, visit, 15)['state'] == 'sent'
    settled(clinic, emulator)


@pytest.mark.fault(15)
def test_scheduler_delivers_beside_a_dead_worker(
        clinic, emulator, with_worker):
    visit = clinic.visit()
    for _ in range(2):
        clinic.push()
        clinic.pass_time(60)
        clinic.write('ir.queue', [], {
                'enqueued_at': dt.datetime.now() - dt.timedelta(seconds=61)})
    clinic.push()
    assert sees(clinic, visit, 15)['state'] == 'sent'
    settled(clinic, emulator)


def health(clinic):
    "Return (HTTP status, problems) that a probe is told"
    response = Client(app, Response).get(
        f'/{clinic.database}/satusehat/health')
    return response.status_code, response.json['problems']


def page(clinic, visit):
    "Return what the page of the visit tells in Indonesian"
    with clinic.transaction(context={'language': 'id'}):
        return Pool().get('clinic.encounter')(visit).satusehat_note


def causes(clinic):
    "Return the lines of 'Belum terkirim'"
    with clinic.transaction(context={'language': 'id'}):
        return [
            line.cause for line in Pool().get('satusehat.unsent').search([])]


def swept(clinic, ended):
    "Let the scheduler's last sweep have ended then"
    with clinic.transaction(user=0):
        pool = Pool()
        cron, = pool.get('ir.cron').search([('method', '=', SWEEP)])
        pool.get('ir.cron.log').create([{
                    'cron': cron.id, 'started': ended, 'ended': ended}])


def told(moment, now):
    "Return how a branch in Jakarta is told a moment, by day unless today"
    zone = ZoneInfo('Asia/Jakarta')
    local = moment.astimezone(zone)
    today = local.date() == now.astimezone(zone).date()
    return f"{local:%H:%M} WIB" if today else f"{local:%d-%m-%Y %H:%M} WIB"


@pytest.mark.fault(15)
def test_who_waits_is_told_when_nothing_runs(
        clinic, emulator, with_worker, setting):
    setting(health='True')
    now = dt.datetime.now(dt.timezone.utc).replace(microsecond=0)
    visit = clinic.visit()
    assert health(clinic) == (503, ['sweep'])
    assert page(clinic, visit) == (
        "Pengiriman otomatis belum berjalan. Minta pengelola server "
        "menjalankan trytond-cron.")

    long_ago = now - dt.timedelta(minutes=10)
    swept(clinic, long_ago.replace(tzinfo=None))
    since = told(long_ago, now)
    assert health(clinic) == (503, ['sweep'])
    assert page(clinic, visit).startswith(
        "Pengiriman otomatis tidak berjalan sejak ")
    assert f"{since}. Minta pengelola server" in page(clinic, visit)
    assert causes(clinic) == [
        f"Pengiriman otomatis tidak berjalan sejak {since}"]
    assert sees(clinic, visit, 15)['state'] == 'pending'
    assert not emulator.journal.entries()

    clinic.write('ir.queue', [], {
            'enqueued_at': dt.datetime.now() - dt.timedelta(seconds=61)})
    sweep_is_due(clinic)
    Pool(clinic.database).get('ir.cron').run(clinic.database)
    assert health(clinic) == (200, [])
    assert page(clinic, visit) is None and causes(clinic) == []
    assert sees(clinic, visit, 15)['state'] == 'sent'
    settled(clinic, emulator)


@pytest.mark.fault(62)
def test_two_servers_run_the_scheduler(clinic, emulator, warm, start):
    visits = [clinic.visit('AB'[n % 2]) for n in range(6)]
    processes = [start('push'), start('push')]
    for process in processes:
        process.go()
    assert [p.end() for p in processes] == [0, 0], [
        p.errors for p in processes]
    assert {clinic.submission(v)['state'] for v in visits} == {'sent'}
    assert len(bundles(emulator)) == 2 + len(visits)
    settled(clinic, emulator)
