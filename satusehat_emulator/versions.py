# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Version, headers and addresses of a stored resource."

import base64
from datetime import datetime, timezone
from functools import lru_cache

STORE_URL = (
    'https://healthcare.googleapis.com/v1/projects/dto-ihs-stg/locations/'
    'asia-southeast2/datasets/emulator/fhirStores/fhir-r4-staging/fhir')


def meta(now, previous=None):
    """Return the `meta` of a resource written at `now` (epoch seconds).

    `versionId` is the nanosecond epoch in base64 without padding, as in the
    platform's answers. It always differs from that of `previous`.
    """
    micro = int(now * 1_000_000)
    kept = dict(previous or {})
    while kept.get('lastUpdated') == _stamp(micro):
        micro += 1
    kept.update(lastUpdated=_stamp(micro), versionId=_version(micro))
    return kept


@lru_cache(64)
def _stamp(micro):
    seconds, rest = divmod(micro, 1_000_000)
    moment = datetime.fromtimestamp(seconds, timezone.utc)
    return f'{moment:%Y-%m-%dT%H:%M:%S}.{rest:06d}+00:00'


@lru_cache(64)
def _version(micro):
    version = base64.b64encode(str(micro * 1000).encode()).decode()
    return version.rstrip('=')


def etag(resource):
    return f'W/"{resource["meta"]["versionId"]}"'


def history_path(resource):
    return (
        f'{resource["resourceType"]}/{resource["id"]}/_history/'
        f'{resource["meta"]["versionId"]}')


def headers(resource):
    "Return the headers of an answer that carries one resource."
    changed = datetime.fromisoformat(resource['meta']['lastUpdated'])
    return {
        'ETag': etag(resource),
        'Last-Modified': f'{changed:%a, %d %b %Y %H:%M:%S} UTC',
        'Location': f'{STORE_URL}/{history_path(resource)}',
        }
