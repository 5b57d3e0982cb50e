# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Keeps queries and NIK out of the log records of the HTTP libraries."
import logging
import re

_LOGGERS = (
    'urllib3', 'urllib3.connection', 'urllib3.connectionpool',
    'urllib3.poolmanager', 'urllib3.response', 'urllib3.util.retry',
    'requests', 'authlib')
_QUERY = re.compile(r"\?[^\s\"'<>]+")
_NIK = re.compile(r'(?<!\d)\d{16}(?!\d)')


def mask_nik(text):
    "Return the text with every number of 16 digits masked as the platform does."
    return _NIK.sub('#' * 16, text)


class QueryFilter(logging.Filter):
    """Cut the query off every address in a record and mask each NIK.

    FHIR searches carry the NIK in the query, and urllib3 logs whole paths.
    Tracebacks are reduced to the name of the exception, since exceptions of
    these libraries quote the address. Lets every record pass.
    """

    def filter(self, record):
        record.msg = mask_nik(_QUERY.sub('?...', self._message(record)))
        record.args = ()
        if record.exc_info and record.exc_info[0]:
            record.msg += f' ({record.exc_info[0].__name__})'
        record.exc_info = record.exc_text = None
        return True

    @staticmethod
    def _message(record):
        try:
            return record.getMessage()
        except (TypeError, ValueError, KeyError):
            return 'unreadable log record'


_filter = QueryFilter()


def install():
    "Put the filter on the loggers of the HTTP libraries; once is enough."
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_filter)
