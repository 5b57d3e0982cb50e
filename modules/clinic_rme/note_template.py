# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.model import Index, ModelSQL, ModelView, fields, sequence_ordered
from trytond.pool import Pool, PoolMeta
from trytond.transaction import Transaction


class NoteTemplate(sequence_ordered(), ModelSQL, ModelView):
    """Texts that a doctor inserts into the note of a visit.

    One without a doctor is for all of them and kept by the administration.
    """
    __name__ = 'clinic.note_template'

    name = fields.Char("Name", required=True)
    employee = fields.Many2One(
        'company.employee', "Doctor", ondelete='CASCADE',
        help="Leave empty for a template of all doctors.")
    subjective = fields.Text("Subjective")
    objective = fields.Text("Objective")
    assessment = fields.Text("Assessment")
    plan = fields.Text("Plan")

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.add(Index(t, (t.employee, Index.Equality())))

    @classmethod
    def default_employee(cls):
        pool = Pool()
        User = pool.get('res.user')
        employee = User(Transaction().user).employee
        return employee.id if employee else None


class Rule(metaclass=PoolMeta):
    __name__ = 'ir.rule'

    @classmethod
    def _get_context(cls, model_name):
        pool = Pool()
        User = pool.get('res.user')
        context = super()._get_context(model_name)
        if model_name == 'clinic.note_template':
            context['employees'] = User.get_employees()
        return context

    @classmethod
    def _get_cache_key(cls, model_names):
        pool = Pool()
        User = pool.get('res.user')
        key = super()._get_cache_key(model_names)
        if 'clinic.note_template' in model_names:
            key = (*key, User.get_employees())
        return key
