# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.pool import Pool, PoolMeta
from trytond.transaction import without_check_access

from .notice import silence

# What is told as long as it is so is no record
STANDING = 0


class Notification(metaclass=PoolMeta):
    __name__ = 'res.notification'

    @classmethod
    def get(cls, count=10):
        return [*cls._standing(), *super().get(count=count)][:count]

    @classmethod
    def get_count(cls):
        return super().get_count() + len(cls._standing())

    @classmethod
    def mark_read(cls, notifications):
        super().mark_read([n for n in notifications if n.id != STANDING])

    @classmethod
    @without_check_access
    def _standing(cls):
        "Return what `get` tells beside the records"
        pool = Pool()
        Action = pool.get('ir.action')
        ModelData = pool.get('ir.model.data')
        told = silence()
        if not told:
            return []
        label, description = told
        return [{
                'id': STANDING,
                'label': label,
                'description': description,
                'icon': 'satusehat',
                'model': None,
                'records': None,
                'action': Action(ModelData.get_id(
                        'satusehat_integration', 'act_unsent_form')
                    ).get_action_value(),
                'unread': True,
                }]
