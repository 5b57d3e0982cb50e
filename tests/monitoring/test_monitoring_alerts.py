# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The alarms that the documentation offers fit the metrics that there are."

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from watched_clinic import LABELS

HERE = Path(__file__).parent
ALERTS = HERE.parents[1] / 'docs' / 'prometheus-alerts.yml'
TRIALS = HERE / 'alerts.yml'
METRIC = re.compile(r'\bsatusehat_[a-z_]+')
GROUPED = re.compile(r'\bby \(([^)]*)\)')
SELECTED = re.compile(r'(\w+)=~?"')
# What Prometheus itself adds to all it scrapes
ADDED = {'job', 'instance'}
promtool = pytest.mark.skipif(
    not shutil.which('promtool'), reason="promtool is not installed")


def rules():
    data = yaml.safe_load(ALERTS.read_text(encoding='utf-8'))
    return [rule for group in data['groups'] for rule in group['rules']]


def shown():
    "Return the names of samples with their labels"
    return LABELS | {
        f'{name}_total': labels for name, labels in LABELS.items()}


def test_every_alarm_of_the_goals_is_there():
    assert {r['alert'] for r in rules()} == {
        'SatusehatOldestUnsent', 'SatusehatNeedsAdmin',
        'SatusehatBreakerOpen', 'SatusehatNoSweep', 'SatusehatNothingLeaves',
        'SatusehatNotWatched'}


@pytest.mark.parametrize('rule', rules(), ids=lambda r: r['alert'])
def test_alarm_asks_for_metrics_that_there_are(rule):
    names = set(METRIC.findall(rule['expr']))
    assert names and names <= shown().keys()
    labels = set().union(*(shown()[name] for name in names)) | ADDED
    assert set(SELECTED.findall(rule['expr'])) - {'__name__'} <= labels
    for group in GROUPED.findall(rule['expr']):
        assert set(re.findall(r'\w+', group)) <= labels
    told = re.findall(
        r'\$labels\.(\w+)', ' '.join(rule['annotations'].values()))
    assert set(told) <= labels


def test_every_alarm_is_tried():
    trials = yaml.safe_load(TRIALS.read_text(encoding='utf-8'))
    raised = {
        trial['alertname'] for test in trials['tests']
        for trial in test['alert_rule_test'] if trial.get('exp_alerts')}
    silent = {
        trial['alertname'] for test in trials['tests']
        for trial in test['alert_rule_test'] if not trial.get('exp_alerts')}
    assert raised == silent == {r['alert'] for r in rules()}


@promtool
@pytest.mark.parametrize('command', [
        ['check', 'rules', ALERTS], ['test', 'rules', TRIALS]],
    ids=['check', 'test'])
def test_promtool_agrees(command):
    done = subprocess.run(
        ['promtool', *map(str, command)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
