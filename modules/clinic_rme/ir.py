# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.i18n import gettext
from trytond.pool import Pool, PoolMeta
from trytond.transaction import check_access, without_check_access

from .consent import Consent
from .encounter import Encounter
from .exceptions import EncounterAccessError
from .letter import Letter
from .mixin import EncounterPartMixin, hold_encounters
from .result import Result
from .result_value import ResultValue


class Cron(metaclass=PoolMeta):
    __name__ = 'ir.cron'

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.method.selection.append(
            ('clinic.seal|seal', "Seal Finished Encounters"))


class ModelLog(metaclass=PoolMeta):
    __name__ = 'ir.model.log'

    @classmethod
    def _validate(cls, records, field_names=None):
        """Take what the server itself tells of each button and change.

        To read it back would take three steps of the database each time.
        """


class _EncounterResource:
    """What hangs on a record of a visit, or a result, and closes with it.

    Not the mark of who has read it.
    """
    __slots__ = ()

    @classmethod
    def check_modification(cls, mode, records, values=None, external=False):
        super().check_modification(
            mode, records, values=values, external=external)
        if not external or values is not None and (
                mode == 'write' and values.keys() == {'unread'}):
            return
        resources = [r.resource for r in records]
        if mode == 'write' and values.get('resource'):
            resources.append(_instance(values['resource']))
        if mode != 'create':
            _check_signed(r.resource for r in records)
        with without_check_access():
            if results := [
                    r.result if isinstance(r, ResultValue) else r
                    for r in resources
                    if isinstance(r, (Result, ResultValue))]:
                Pool().get('clinic.result').check_draft(results)
        visits = {
            visit for resource in resources
            if (visit := _visit(resource)) is not None}
        if visits:
            hold_encounters([visit.id for visit in visits])
        for visit in visits:
            if visit.is_closed:
                raise EncounterAccessError(gettext(
                        'clinic_rme.msg_encounter_closed',
                        encounter=visit.rec_name))


def _check_signed(resources):
    "Refuse to change what hangs on a paper that was signed"
    with without_check_access():
        for resource in resources:
            if isinstance(resource, (Consent, Letter)) and (
                    resource.state != 'draft'):
                raise EncounterAccessError(gettext(
                        'clinic_rme.msg_resource_fixed',
                        record=resource.rec_name))


def _instance(resource):
    "Return the record of a reference, which is one or its text"
    if not isinstance(resource, str):
        return resource
    model, id_ = resource.split(',', 1)
    return Pool().get(model)(int(id_))


def _visit(resource):
    "Return the visit that the record belongs to, if any"
    if isinstance(resource, Encounter):
        return resource
    amendment = Pool().get('clinic.amendment')
    if isinstance(resource, (EncounterPartMixin, amendment)):
        with without_check_access():
            return resource.encounter


class Attachment(_EncounterResource, metaclass=PoolMeta):
    __name__ = 'ir.attachment'


class Note(_EncounterResource, metaclass=PoolMeta):
    __name__ = 'ir.note'


class Email(metaclass=PoolMeta):
    __name__ = 'ir.email'

    @classmethod
    def send(
            cls, to='', cc='', bcc='', subject='', body='', files=None,
            record=None, reports=None, attachments=None):
        """Send what the user may read.

        The core reads attachments and record without access check.
        """
        pool = Pool()
        with check_access():
            if attachments:
                pool.get('ir.attachment').read(list(attachments), ['id'])
            if record:
                model, id_ = record
                pool.get(model).read([id_], ['id'])
        return super().send(
            to=to, cc=cc, bcc=bcc, subject=subject, body=body, files=files,
            record=record, reports=reports, attachments=attachments)
