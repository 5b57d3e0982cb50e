# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"How a closed visit is corrected without losing what it said before."

from trytond.i18n import gettext
from trytond.model import ModelView, Workflow, fields
from trytond.pool import Pool, PoolMeta
from trytond.pyson import Bool, Eval
from trytond.transaction import Transaction, without_check_access

from .encounter import MAY_FINISH
from .exceptions import EncounterAccessError
from .mixin import hold_encounters


class Encounter(metaclass=PoolMeta):
    __name__ = 'clinic.encounter'

    amendments = fields.One2Many(
        'clinic.amendment', 'encounter', "Amendments", readonly=True)
    correction = fields.Many2One(
        'clinic.amendment', "Open Correction", readonly=True,
        ondelete='RESTRICT', states={
            'invisible': ~Eval('correction'),
            },
        help="The visit is being corrected by its author.")
    correction_open = fields.Function(
        fields.Boolean("Open for Correction"), 'get_correction_open')

    @classmethod
    def __setup__(cls):
        super().__setup__()
        correcting = Eval('correction_open', False)
        signing = Eval('signature_required', False)
        depends = ['state', 'correction', 'correction_open',
            'signature_required']
        cls._buttons.update({
                'amend': {
                    'invisible': (
                        ~Eval('state').in_(['finished', 'entered_in_error'])
                        | Bool(Eval('correction'))),
                    'icon': 'tryton-create',
                    'depends': depends,
                    },
                'complete_correction': {
                    'invisible': ~correcting | signing,
                    'icon': 'tryton-ok',
                    'depends': depends,
                    },
                })
        sign = cls._buttons['sign']
        sign.update(
            invisible=(~MAY_FINISH & ~correcting) | ~signing,
            depends=[*sign['depends'], *depends])

    @classmethod
    def fields_sealed(cls):
        return super().fields_sealed() - {'correction'}

    @classmethod
    def get_correction_open(cls, encounters, name):
        with without_check_access():
            return {
                e.id: bool(
                    e.correction
                    and e.correction.user.id == Transaction().user)
                for e in cls.browse(encounters)}

    @property
    def is_closed(self):
        """Whether the record may not be changed any more.

        A visit under correction is open for the one who corrects it.
        """
        return super().is_closed and not self.correction_open

    @classmethod
    def preprocess_values(cls, mode, values):
        values = super().preprocess_values(mode, values)
        if mode == 'create':
            values['correction'] = None
        return values

    @classmethod
    def check_modification(
            cls, mode, encounters, values=None, external=False):
        super().check_modification(
            mode, encounters, values=values, external=external)
        if external and mode == 'write' and (
                values.keys() & {'correction', 'amendments'}):
            raise EncounterAccessError(
                gettext('clinic_rme.msg_encounter_fixed'))

    @classmethod
    def copy(cls, encounters, default=None):
        default = default.copy() if default is not None else {}
        default.setdefault('correction')
        return super().copy(encounters, default=default)

    @classmethod
    @ModelView.button_action('clinic_rme.wizard_amend')
    def amend(cls, encounters):
        pass

    @classmethod
    @ModelView.button
    def complete_correction(cls, encounters):
        """Close the visits again, as a new version.

        What is not complete raises EncounterIncompleteError.  A correction
        in which nothing was changed makes no version.
        """
        pool = Pool()
        Amendment = pool.get('clinic.amendment')
        Seal = pool.get('clinic.seal')
        hold_encounters([e.id for e in encounters])
        encounters = [e for e in encounters if e.correction]
        cls.check_complete(encounters)
        changed = Amendment.end([e.correction for e in encounters])
        cls.write(encounters, {'correction': None})
        corrected = [a.encounter for a in changed]
        Seal.affix('corrected', corrected, changed)
        if corrected:
            cls.on_corrected(corrected)

    @classmethod
    @ModelView.button
    def sign(cls, encounters):
        super().sign([e for e in encounters if not e.correction])
        cls.complete_correction([e for e in encounters if e.correction])

    @classmethod
    @Workflow.transition('entered_in_error')
    def _take_out(cls, encounters):
        pass

    @classmethod
    def enter_in_error(cls, encounters, amendment):
        """Take out visits that were entered in error.

        They stay readable; amendment tells who decided it and why.
        """
        Seal = Pool().get('clinic.seal')
        cls._take_out(encounters)
        Seal.affix('entered_in_error', encounters, [amendment])
        cls.on_entered_in_error(encounters, amendment.text)

    @classmethod
    def on_corrected(cls, encounters):
        "Called with the visits that have a new version"

    @classmethod
    def on_entered_in_error(cls, encounters, reason):
        "Called with the visits that were taken out, and why"

    def amendments_to_print(self):
        """Return the amendments that each print of the visit shows.

        What counts or is under way, the oldest first.
        """
        with without_check_access():
            return sorted(
                (a for a in self.amendments
                    if a.state in {'open', 'done'}),
                key=lambda a: (a.requested_at, a.id))
