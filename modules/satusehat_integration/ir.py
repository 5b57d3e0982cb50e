# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.pool import PoolMeta


class Cron(metaclass=PoolMeta):
    __name__ = 'ir.cron'

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.method.selection.extend([
                ('satusehat.submission|push', "Push to SATUSEHAT"),
                ('satusehat.submission|notify',
                    "Tell What Was Not Sent to SATUSEHAT"),
                ])
        cls._notifications.add('satusehat.submission|push')
