# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.model import fields

from .mixin import RecordedMixin

# In the order of writing
SOAP = ['subjective', 'objective', 'assessment', 'plan']


class NoteMixin(RecordedMixin):
    """The note of the visit: SOAP by the doctor, and the nurse's own.

    PMK 24/2022, article 16: complete, clear and in sequence.
    """
    __slots__ = ()

    note_template = fields.Function(
        fields.Many2One(
            'clinic.note_template', "Insert Template",
            help="Adds the texts of the template to the note."),
        'get_note_template', setter='set_note_template')
    subjective = fields.Text("Subjective")
    objective = fields.Text("Objective")
    assessment = fields.Text("Assessment")
    plan = fields.Text("Plan")
    nursing_note = fields.Text("Nursing Note")

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.note_template.states = {
            'invisible': cls.chief_complaint.states['readonly'],
            }

    @classmethod
    def recorded_fields(cls):
        return super().recorded_fields() | {*SOAP, 'nursing_note'}

    @fields.depends('note_template', *SOAP)
    def on_change_note_template(self):
        """Append the texts of the template to what is written.

        Nothing that is there is lost; the choice is empty again after.
        """
        template = self.note_template
        if not template:
            return
        for name in SOAP:
            if text := getattr(template, name):
                written = getattr(self, name)
                setattr(self, name, f'{written}\n{text}' if written else text)
        self.note_template = None

    @classmethod
    def get_note_template(cls, encounters, name):
        "Nothing: a template is only chosen to insert it"
        return dict.fromkeys(e.id for e in encounters)

    @classmethod
    def set_note_template(cls, encounters, name, value):
        "Nothing to keep: the client sends the texts themselves"
