# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.i18n import gettext
from trytond.model import fields
from trytond.pool import Pool
from trytond.pyson import Eval
from trytond.transaction import check_access

from .exceptions import EncounterAccessError
from .mixin import RecordedMixin
from .patient import ALLERGY_STATUSES

HISTORY = {
    'present_illness', 'past_illness', 'family_illness',
    'medication_history'}
_LIST_COMMANDS = {'create', 'write', 'delete', 'remove'}


class AnamnesisMixin(RecordedMixin):
    """What the patient tells: illnesses, medicines, allergies.

    KMK HK.01.07/MENKES/1423/2022, outpatient, anamnesis; Ministry of Health,
    outpatient playbook, steps 3 and 6.  Allergies are the patient's: the
    visit shows and edits the one list of the patient.
    """
    __slots__ = ()

    present_illness = fields.Text("Present Illness")
    past_illness = fields.Text("Past Illnesses")
    family_illness = fields.Text("Family Illnesses")
    medication_history = fields.Text("Medication History")
    allergy_status = fields.Function(
        fields.Selection(
            [(None, ""), *ALLERGY_STATUSES], "Allergy Status", sort=False,
            states={
                'invisible': Eval('id', -1) < 0,
                }),
        'get_allergies', setter='set_allergy_status')
    allergies = fields.Function(
        fields.One2Many(
            'clinic.allergy', None, "Allergies",
            states={
                'invisible': Eval('allergy_status') != 'listed',
                },
            context={
                'default_patient': Eval('patient', -1),
                }, depends={'patient'}),
        'get_allergies', setter='set_allergies')

    @classmethod
    def __setup__(cls):
        super().__setup__()
        closed = cls.chief_complaint.states['readonly']
        for field in [cls.allergy_status, cls.allergies]:
            field.states = {**field.states, 'readonly': closed}

    @classmethod
    def recorded_fields(cls):
        return super().recorded_fields() | HISTORY

    @classmethod
    def get_allergies(cls, encounters, names):
        "The status and the list of the patient, by field name"
        values = {
            'allergy_status': {
                e.id: e.patient.allergy_status for e in encounters},
            'allergies': {
                e.id: [a.id for a in e.patient.allergies]
                for e in encounters},
            }
        return {name: values[name] for name in names}

    @fields.depends('allergy_status', 'allergies')
    def on_change_allergies(self):
        if self.allergies:
            self.allergy_status = 'listed'

    @classmethod
    def index_set_field(cls, name):
        "The status is set when the list is complete"
        index = super().index_set_field(name)
        return index + 1 if name == 'allergy_status' else index

    @classmethod
    def set_allergies(cls, encounters, name, value):
        """Change the list of the patients, by the user's rights on it.

        Whose last entry is taken away has to be asked again.
        Raises EncounterAccessError for entries of somebody else.
        """
        pool = Pool()
        Patient = pool.get('clinic.patient')
        for encounter in encounters:
            patient = encounter.patient
            listed = {a.id for a in patient.allergies}
            for command, *args in value:
                if (command not in _LIST_COMMANDS
                        or not _touched(command, args) <= listed):
                    raise EncounterAccessError(
                        gettext('clinic_rme.msg_allergy_move'))
            left = listed - set().union(*(
                    args[0] for command, *args in value
                    if command in {'delete', 'remove'}))
            added = any(command == 'create' for command, *_ in value)
            with check_access():
                Patient.write([Patient(patient.id)], {
                        'allergies': [
                            ('delete' if c == 'remove' else c, *args)
                            for c, *args in value],
                        'allergy_status': (
                            'listed' if left or added else 'not_asked'),
                        })

    @classmethod
    def set_allergy_status(cls, encounters, name, value):
        "Set the status of the patients, by the user's rights on it"
        pool = Pool()
        Patient = pool.get('clinic.patient')
        with check_access():
            Patient.write(Patient.browse({e.patient.id for e in encounters}), {
                    'allergy_status': value,
                    })


def _touched(command, args):
    "Return the ids that a command on a list is about"
    if command == 'create':
        return set()
    if command == 'write':
        return set().union(*args[::2])
    return set(args[0])
