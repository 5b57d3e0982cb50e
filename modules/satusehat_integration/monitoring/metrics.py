# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The metrics, in the terms of Prometheus.

What is so at this moment is a gauge, read from the tables when it is asked
for; what has happened is a counter or a histogram, from the tally.  Labels
are ids of branches and organizations, states, environments and the names of
kinds.  A branch has no name here: a practice is often named after its doctor.
"""

import datetime as dt
from collections import defaultdict

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily)
from prometheus_client.exposition import choose_encoder
from trytond.pool import Pool

from ..gate import HOST, database_now
from ..skew import skews
from . import readings
from .tally import LIMITS, NO_DURATION, NO_RULE, OTHER_RULE

NO_ENVIRONMENT = 'none'


def expose(accept=''):
    """Return the metrics of the current transaction and their content type.

    ``accept`` is the header of the request: Prometheus' text or OpenMetrics.
    """
    registry = CollectorRegistry()
    registry.register(Collector(list(families())))
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type


class Collector:
    "What has been read already, for a registry"

    def __init__(self, families):
        self._families = families

    def collect(self):
        return self._families


def families():
    "Yield the families of metrics, each read with one or two statements"
    now = database_now()
    queues, branches = readings.queues(), readings.branches()
    yield from queue_families(queues, branches, now)
    yield _age(
        'satusehat_oldest_unsent_age_seconds',
        "Age of the finished visit that waits the longest and goes by itself",
        readings.oldest_unsent(queues), now)
    yield _age(
        'satusehat_oldest_due_age_seconds',
        "For how long a visit is due that no sender has taken",
        readings.oldest_due(now), now)
    yield _moment(
        'satusehat_last_sweep_timestamp_seconds',
        "When the scheduled action that sends last ended well, 0 for never",
        readings.last_sweep())
    yield _moment(
        'satusehat_last_request_timestamp_seconds',
        "When a request to the platform was last noted, 0 for never",
        readings.last_request())
    yield from gate_families(readings.gates(now), branches)
    yield clock_family(skews(now), branches)
    yield from tally_families(Pool().get('satusehat.exchange.tally').totals())


def queue_families(queues, branches, now):
    "Yield how many visits are unfinished, and for how long at most"
    labels = ['branch', 'organization', 'environment', 'state']
    depth = GaugeMetricFamily(
        'satusehat_submissions', "Finished visits not delivered yet",
        labels=labels)
    age = GaugeMetricFamily(
        'satusehat_oldest_submission_age_seconds',
        "Age of the oldest of them", labels=labels)
    organizations = {
        (b.company, b.environment): b.organization_id for b in branches}
    depths, oldest = defaultdict(int), {}
    for queue in queues:
        place = (
            str(queue.company),
            organizations.get((queue.company, queue.environment), ''),
            queue.environment or NO_ENVIRONMENT, queue.state)
        depths[place] += queue.depth
        oldest[place] = min(queue.oldest, oldest.get(place, queue.oldest))
    for place in sorted(depths):
        depth.add_metric(place, depths[place])
        age.add_metric(place, _seconds(oldest[place], now))
    yield depth
    yield age


def gate_families(gates, branches):
    "Yield what keeps hosts and branches from sending"
    labels = ['scope', 'branch', 'organization', 'environment']
    is_open = GaugeMetricFamily(
        'satusehat_breaker_open',
        "1 while nothing but trials is sent, as too much has failed",
        labels=labels)
    is_paused = GaugeMetricFamily(
        'satusehat_paused',
        "1 while nothing is sent, as the platform asked for it or refused",
        labels=labels)
    environments = {e for e, _ in gates} | {b.environment for b in branches}
    places = {
        ('host', '', '', environment): (environment, HOST)
        for environment in environments}
    places.update({
            ('branch', str(b.company), b.organization_id, b.environment):
            (b.environment, b.client_id) for b in branches})
    for place, key in sorted(places.items()):
        gate = gates.get(key, readings.Gate())
        is_open.add_metric(place, gate.is_open)
        is_paused.add_metric(place, gate.is_paused)
    yield is_open
    yield is_paused


def clock_family(differing, branches):
    "Return how far this server's clock is from that of each host"
    family = GaugeMetricFamily(
        'satusehat_clock_skew_seconds',
        "The platform's clock minus that of the server that sends, "
        "0 within two minutes", labels=['environment'])
    for environment in sorted({b.environment for b in branches}):
        family.add_metric([environment], differing.get(environment, 0))
    return family


def tally_families(totals):
    "Yield what was asked of the platform, how long it took, what it refused"
    requests, refusals = defaultdict(int), defaultdict(int)
    durations = defaultdict(lambda: defaultdict(int))
    sums = defaultdict(float)
    for key, (total, seconds) in totals.items():
        if key.rule != NO_RULE:
            rule = 'other' if key.rule == OTHER_RULE else str(key.rule)
            refusals[key.environment, key.resource_type, rule] += total
            continue
        kind = key.environment, key.method, key.resource_type
        requests[(*kind, key.outcome)] += total
        if key.duration_limit != NO_DURATION:
            durations[kind][key.duration_limit] += total
            sums[kind] += seconds
    yield _counter(
        'satusehat_requests', "Requests to the platform",
        ['environment', 'method', 'resource_type', 'outcome'], requests)
    yield _counter(
        'satusehat_refusals', "Refusals by the platform's validation rule",
        ['environment', 'resource_type', 'rule'], refusals)
    histogram = HistogramMetricFamily(
        'satusehat_request_duration_seconds',
        "Time from the start of a request to the end of its answer",
        labels=['environment', 'method', 'resource_type'])
    for kind, counts in sorted(durations.items()):
        histogram.add_metric(kind, _buckets(counts), sums[kind])
    yield histogram


def _buckets(counts):
    "Return the cumulative buckets of {milliseconds: number}"
    return [
        (str(limit / 1000), sum(
                n for reached, n in counts.items() if reached <= limit))
        for limit in LIMITS] + [('+Inf', sum(counts.values()))]


def _counter(name, documentation, labels, values):
    family = CounterMetricFamily(name, documentation, labels=labels)
    for key, value in sorted(values.items()):
        family.add_metric(key, value)
    return family


def _age(name, documentation, moment, now):
    return GaugeMetricFamily(
        name, documentation, value=_seconds(moment, now) if moment else 0)


def _moment(name, documentation, moment):
    stamp = moment.replace(tzinfo=dt.timezone.utc).timestamp() if moment else 0
    return GaugeMetricFamily(name, documentation, value=stamp)


def _seconds(moment, now):
    return max(0.0, (now - moment).total_seconds())
