# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The measures of script/bench run, with few visits; no time is judged."

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
URI = os.environ['TRYTOND_DATABASE_URI']
BACKEND = 'sqlite' if URI.startswith('sqlite') else 'postgresql'
only_postgresql = pytest.mark.skipif(
    BACKEND == 'sqlite', reason="measured on PostgreSQL only")
pytestmark = pytest.mark.slow


def bench(subject, *arguments):
    "Return the lines that script/bench prints, as lists of words"
    run = subprocess.run(
        [ROOT / 'script' / 'bench', subject, '--database', BACKEND,
            *map(str, arguments)],
        env={**os.environ, 'TEST_POSTGRESQL_URI': URI},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    return [line.split() for line in run.stdout.splitlines()]


def rows(lines, word):
    "Return the lines that begin with the word"
    return [line for line in lines if line[:1] == [word]]


@pytest.mark.parametrize('platform', ['standin', 'emulator'])
def test_push(platform, tmp_path):
    (row,) = rows(bench(
            'push', '--visits', 10, '--branches', 2, '--latency', 5,
            '--connections', 2, '--senders', 1, '--platform', platform,
            '--profile', tmp_path), BACKEND)
    assert row[1:7] == [platform, '5', '2', '1', 'on', '10']
    requests, _, unsent = row[-3:]
    assert (requests, unsent) == ('1.00', '0')
    (profile,) = tmp_path.glob('*.txt')
    assert 'cumulative' in profile.read_text()


@only_postgresql
def test_push_with_two_senders():
    found = rows(bench(
            'push', '--visits', 12, '--branches', 2, '--latency', 0,
            '--connections', 2, '--senders', '1,2', '--validation', 'both'),
        BACKEND)
    assert [(row[4], row[5]) for row in found] == [
        ('1', 'on'), ('2', 'on'), ('1', 'off'), ('2', 'off')]
    assert {(row[-3], row[-1]) for row in found} == {('1.00', '0')}


def test_memory():
    found = rows(bench(
            'push', '--memory', '--visits', 10, '--branches', 2,
            '--connections', 2), BACKEND)
    assert [row[2] for row in found] == ['2', '5', '10']
    assert {row[-1] for row in found} == {'0'}


@only_postgresql
def test_claim(tmp_path):
    plans = tmp_path / 'plans'
    lines = bench(
        'claim', '--rows', 200, '--branches', 10, '--claims', 2, '--batch', 4,
        '--plans', plans)
    assert [row[:4] for row in rows(lines, 'claim')] == [
        ['claim', 'of', '4', 'rows']]
    assert 'list of all, 201' in '\n'.join(map(' '.join, lines))
    assert 'UPDATE "satusehat_submission"' in plans.read_text()


@only_postgresql
def test_branches():
    lines = bench(
        'branches', '--branches', 8, '--visits', 12, '--bad', 1, '--rate', 6,
        '--latency', 5, '--setting', 'requests_per_minute_host=0')
    figures = [
        line for line in map(' '.join, lines) if line.startswith(
            ('all at once 12 12', 'without bad 12 12', 'with bad 12 12'))]
    assert len(figures) == 3


def test_unknown_subject():
    run = subprocess.run(
        [ROOT / 'script' / 'bench', 'nothing'], capture_output=True,
        text=True, stdin=subprocess.DEVNULL)
    assert run.returncode == 1
    assert 'push, claim, branches or clinic' in run.stderr


def test_clinic():
    lines = bench(
        'clinic', '--acts', 6, '--reads', 2, '--servers', '1,2',
        '--clients', 2, '--workflows', 3, '--patients', 10, '--visits', 12, '--small')
    figures = {' '.join(line[:-6]): line[-6:] for line in lines}
    for act in ["register a patient", "open and complete"]:
        times, statements, *_ = figures[act]
        assert times == '6'
        assert float(statements) > 1
    (found,) = [f for f in figures if f.startswith("list of 100 visits")]
    assert found == "list of 100 visits, 12 rows, small"
    if BACKEND == 'postgresql':
        assert [(*line[:3], *line[-2:]) for line in lines[-2:]] == [
            ('1', '2', '3', '0', '0'), ('2', '2', '3', '0', '0')]
