# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"What the wizards that import a list of codes have in common."

from trytond.model import fields
from trytond.pool import Pool
from trytond.wizard import StateTransition

from .terminology import ImportResult


class ImportResultMixin:
    "What the list is before the import, and what the import did"
    __slots__ = ()

    edition = fields.Char("Edition", readonly=True)
    codes = fields.Integer(
        "In Use", readonly=True,
        help="How many can be recorded now.")
    new = fields.Integer("New", readonly=True)
    changed = fields.Integer(
        "Changed", readonly=True,
        help="With another title or edition, or back in use.")
    deactivated = fields.Integer(
        "Deactivated", readonly=True,
        help="What the source does not have.")


class ImportMixin:
    """Imports a source into the model `_imported`.

    The states `start` and `result` show an ImportResultMixin.
    """
    __slots__ = ()
    _imported = None

    import_ = StateTransition()

    def get_source(self):
        """Return the source that the import reads.

        It has the name of its `edition`, and what `import_` of the model
        asks for.  Raises UserError where it can not be read.
        """
        raise NotImplementedError

    @classmethod
    def _codes(cls):
        return Pool().get(cls._imported).search([], count=True)

    def transition_import_(self):
        source = self.get_source()
        result = Pool().get(self._imported).import_(source)
        self.result.edition = source.edition
        for name, number in result._asdict().items():
            setattr(self.result, name, number)
        return 'result'

    def default_result(self, fields):
        return {
            'codes': self._codes(),
            **{
                name: getattr(self.result, name)
                for name in ['edition', *ImportResult._fields]},
            }


class InstalledImportMixin(ImportMixin):
    "The source is an installed package: it is shown before the import"
    __slots__ = ()

    def default_start(self, fields):
        return {
            'edition': self.get_source().edition,
            'codes': self._codes(),
            }
