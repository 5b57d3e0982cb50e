# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Working on the database as its users do, over proteus.

Each user has a client of their own: proteus keeps what it knows of a model
per user, as fields and rights differ.
"""

import copy

from proteus import Model, Wizard
from proteus.config import set_trytond

from .folder import DATABASE

ADMIN = 'admin'


class Desk:
    "The clients of all users of one database"

    def __init__(self, configuration):
        self._admin = set_trytond(
            f'sqlite:///{DATABASE}', user=ADMIN,
            config_file=str(configuration))
        self._clients = {ADMIN: Client(self._admin)}

    @property
    def admin(self):
        return self._clients[ADMIN]

    def client(self, login):
        "Return the Client of a user, logged in once"
        if login not in self._clients:
            user, = self.admin.model('res.user').find([('login', '=', login)])
            config = copy.copy(self._admin)
            config._user, config.user = login, user.id
            client = Client(config)
            client.refresh()
            self._clients[login] = client
        return self._clients[login]


class Client:
    "What one user does"

    def __init__(self, config):
        self._config = config

    def model(self, name):
        "Return the proteus model with the user's rights"
        return Model.get(name, self._config)

    def wizard(self, name):
        return Wizard(name, config=self._config)

    def record(self, name, id_):
        return self.model(name)(id_)

    def only(self, name, *domain):
        "Return the only record of the domain; raises LookupError"
        found = self.model(name).find(list(domain))
        if len(found) != 1:
            raise LookupError(f'{len(found)} {name} {domain}')
        return found[0]

    def rows(self, name, domain, fields, order=None):
        """Return the values of the records, a list of dicts.

        A field of a related record is written 'patient.name' and found at
        ['patient.']['name'].
        """
        return self._config.get_proxy(name).search_read(
            domain, 0, None, order, fields, self._config.context)

    def labels(self, name, field):
        "Return {value: label} of a selection, in the user's language"
        definition = self._config.get_proxy(name).fields_get(
            [field], 0, self._config.context)[field]
        return dict(definition['selection'])

    def refresh(self):
        "Take over the user's preferences, the branch among them"
        self._config._context = {}
        self._config._context = self.model('res.user').get_preferences(
            True, {})

    def work_at(self, company, employee):
        "Switch to a branch, as the user does in the preferences"
        if self._config._context.get('company') == company:
            return
        self.model('res.user').set_preferences(
            {'company': company, 'employee': employee}, self._config.context)
        self.refresh()
