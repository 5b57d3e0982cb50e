# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Reading a finished visit into plain data.

The only room that knows both the medical record and what is sent: from here
on the snapshot is the visit.
"""

import gzip
import hashlib
import json
import zlib

from .fhir.visit import SCHEMA


def snapshots(encounters, in_error=False):
    """Return the snapshot of each finished encounter, in their order.

    in_error marks them as entered in error, as those are whose state says
    so: the mark is there for them only.
    """
    return [
        _snapshot(encounter, in_error or (
                encounter.state == 'entered_in_error'))
        for encounter in encounters]


def freeze(data):
    """Return (compressed bytes, SHA-256 of the uncompressed bytes).

    data is bytes or what JSON can hold.
    """
    if not isinstance(data, bytes):
        data = json.dumps(
            data, ensure_ascii=False, sort_keys=True,
            separators=(',', ':')).encode()
    return gzip.compress(data, mtime=0), hashlib.sha256(data).hexdigest()


def thaw(compressed, digest):
    """Return the bytes that were frozen.

    Raises ValueError when they are not those of the digest.
    """
    try:
        data = gzip.decompress(compressed or b'')
    except (OSError, EOFError, zlib.error):
        raise ValueError("frozen data are damaged") from None
    if hashlib.sha256(data).hexdigest() != digest:
        raise ValueError("frozen data were altered")
    return data


def _snapshot(encounter, in_error):
    return {
        'schema': SCHEMA,
        'encounter': {
            'record': encounter.id,
            'uid': encounter.uid,
            'class': encounter.encounter_class,
            'arrived_at': _time(encounter.arrived_at),
            'started_at': _time(encounter.started_at),
            'finished_at': _time(encounter.finished_at),
            'status_history': [{
                    'status': row.status,
                    'start': _time(row.start),
                    'end': _time(row.end),
                    } for row in encounter.status_history],
            'discharge_disposition': encounter.discharge_disposition,
            'discharge_note': encounter.discharge_note or None,
            **({'in_error': True} if in_error else {}),
            },
        'patient': _person(encounter.patient.party),
        'practitioner': _person(encounter.practitioner.party),
        'unit': {
            **_place(encounter.room.unit), 'kind': encounter.room.unit.kind},
        'room': _place(encounter.room),
        'chief_complaint': _chief_complaint(encounter),
        'diagnoses': [{
                'uid': diagnosis.uid,
                'record': diagnosis.id,
                'code': diagnosis.code.code,
                'display': diagnosis.code.name,
                'rank': diagnosis.rank,
                'recorded_at': _time(diagnosis.recorded_at),
                'note': diagnosis.note or None,
                } for diagnosis in encounter.diagnoses],
        'vital_signs': [{
                'uid': row.uid,
                'record': row.id,
                'measured_at': _time(row.measured_at),
                'performer': (
                    _person(row.recorded_by.party)
                    if row.recorded_by else None),
                'values': row.measured,
                } for row in encounter.vital_signs],
        }


def _time(value):
    return value.strftime('%Y-%m-%dT%H:%M:%S+00:00') if value else None


def _person(party):
    return {'record': party.id, 'name': party.name}


def _place(record):
    return {
        'record': record.id,
        'uid': record.uid,
        'code': record.code,
        'name': record.name,
        }


def _chief_complaint(encounter):
    if not encounter.chief_complaint and not encounter.chief_complaint_code:
        return None
    code = encounter.chief_complaint_code
    return {
        'text': encounter.chief_complaint or code.name,
        'recorded_at': _time(encounter.arrived_at),
        'code': {'code': code.code, 'display': code.display} if code else None,
        }
