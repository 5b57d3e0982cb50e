# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Everything goes wrong at once, and nothing is lost or sent twice.

The run prints its seed and the command that makes it again.
"""

import itertools
import subprocess
import sys
from pathlib import Path

import chaos
import chaos_plan
import pytest
from chaos_run import Options, Result, Run
from trytond import backend

COMMAND = Path(__file__).with_name('chaos.py')
FIGURES = dict.fromkeys([
        'visits', 'sent', 'lost', 'twins', 'needs_data', 'needs_admin',
        'stopped', 'requests', 'writes', 'repeated'], 0)


def storm(*options):
    "Let a run on the backend of the tests come through"
    ended = subprocess.run(
        [sys.executable, str(COMMAND), '--database', backend.name, *options],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    print(ended.stdout)
    assert ended.returncode == 0, ended.stdout
    assert 'invariants I1 to I10: hold' in ended.stdout


@pytest.mark.slow
def test_three_hundred_visits_survive_the_storm():
    "The same plan each time; other seeds storm by night"
    visits = '60' if backend.name == 'sqlite' else '300'
    storm('--visits', visits, '--seed', '7')


@pytest.mark.nightly
def test_ten_thousand_visits_survive_the_storm():
    options = ['--kill-every', '5-20', '--drain', '300']
    if backend.name == 'sqlite':
        storm('--visits', '1000', *options)
    else:
        storm(
            '--visits', '10000', '--branches', '32', '--senders', '4',
            '--restart-database', '5', *options)


def plan(seed=1, **values):
    return chaos_plan.Plan(**{
            'seed': seed, 'visits': 300, 'branches': 8, 'storm': 30,
            'kill_every': (3, 10), 'restarts': 5, **values})


def first_kills(plan):
    return list(itertools.islice(plan.kills(), 50))


def test_seed_decides_visits_kills_restarts_and_credentials():
    for thing in [
            lambda p: p.all_visits, first_kills, lambda p: p.rotation(),
            lambda p: p.restart_shares()]:
        assert thing(plan(1)) == thing(plan(1))
        assert thing(plan(1)) != thing(plan(2)) or thing(plan(1)) != (
            thing(plan(3)))


def test_seeds_try_the_delivery_with_and_without_a_pace():
    assert {plan(seed).pace for seed in range(10)} == {0, 3000}


def test_number_of_kills_does_not_change_the_visits():
    assert plan(kill_every=(1, 2)).all_visits == plan().all_visits


def test_visits_are_finished_before_and_during_the_storm():
    visits = plan().all_visits
    assert [v.number for v in visits] == list(range(300))
    assert sum(not v.after for v in visits) == 150
    assert 20 < max(v.after for v in visits) <= 30
    assert sorted(
        v.number for turn in plan().turns for v in turn) == list(range(300))
    assert {v.branch for v in visits} == set(range(8))
    assert plan().strangers == 5


def test_kills_keep_their_distance():
    assert all(3 <= gap <= 10 and 0 <= share < 1
        for gap, share in first_kills(plan()))


def test_one_of_the_restarts_is_a_crash():
    shares = plan().restart_shares()
    assert [mode for _, mode in shares].count('immediate') == 1
    assert len(shares) == 5 and shares == sorted(shares)
    assert plan(restarts=0).restart_shares() == []


def test_people_of_the_plan_have_numbers_of_their_own():
    numbers = {
        chaos_plan.nik(n, doctor) for n in range(1000)
        for doctor in [False, True]} | {chaos_plan.STRANGER_NIK}
    assert len(numbers) == 2001
    assert {len(n) for n in numbers} == {16}


@pytest.mark.parametrize('arguments', [
        [], ['--database', 'sqlite'],
        ['--visits', '50', '--seed', '9', '--kill-every', '2-2.5',
            '--faults', '10%', '--senders', '7', '--storm', '5']])
def test_printed_command_makes_the_same_run(arguments):
    chosen = chaos.options(chaos.parser().parse_args(arguments))
    script, *again = chaos.command(chosen).split()
    assert script == 'script/chaos'
    assert chaos.options(chaos.parser().parse_args(again)) == chosen


@pytest.mark.parametrize('violations, code', [
        ([], 0), ([('I2', 'Encounter 1', "is held 2 times")], 1)])
def test_violation_ends_with_code_1_and_keeps_the_evidence(
        tmp_path, monkeypatch, capsys, violations, code):
    def execute(self):
        (self.home / 'evidence').write_text('kept')
        return Result(
            violations=violations, figures=FIGURES,
            witnessed={'witnessed': 0, 'blind': 0})
    monkeypatch.setattr(Run, 'execute', execute)
    assert chaos.main([
            '--directory', str(tmp_path), '--seed', '5',
            '--database', 'sqlite']) == code
    text = capsys.readouterr().out
    assert text.startswith('seed 5; again: script/chaos --seed 5 ')
    assert ('I2 Encounter 1: is held 2 times' in text) == bool(code)
    assert len(list(tmp_path.glob('*/evidence'))) == code
    assert [path.read_text() for path in tmp_path.glob('*/report')] == (
        [text] if code else [])


def test_only_faults_that_pass_by_themselves_are_chosen(tmp_path):
    kinds = Run(Options(1, database='sqlite'), tmp_path)._kinds().split('+')
    assert {'drop', 'partial_bundle', 'token_ends'} <= set(kinds)
    assert not {'random', 'rule', 'forbidden', 'wrong_id'} & set(kinds)
