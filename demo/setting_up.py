# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Setting up the clinic: branches, staff, users. The administrator's work."

from datetime import date
from decimal import Decimal


def finish_module_wizards(admin):
    """Mark the wizards that follow an activation as done.

    Otherwise the first log-in of the administrator shows them, and no menu.
    """
    Item = admin.model('ir.module.config_wizard.item')
    items = Item.find([('state', '!=', 'done')])
    for item in items:
        item.state = 'done'
    Item.save(items)
    user = admin.only('res.user', ('login', '=', 'admin'))
    wizard = admin.model('ir.model.data').get_id(
        'ir', 'act_module_config_wizard', {})
    for action in user.actions:
        if action.id == wizard:
            user.actions.remove(action)
            break
    user.language = admin.only('ir.lang', ('code', '=', 'id'))
    user.save()
    admin.refresh()


def import_icd10(admin):
    "Import ICD-10 as the wizard does; return the number of codes"
    wizard = admin.wizard('clinic.icd10.import')
    wizard.execute('import_')
    return wizard.form.codes


def set_up(admin, records):
    "Create branches, staff and users from the Records"
    currency = _currency(admin, records.currency)
    companies = {
        key: _company(admin, row, currency)
        for key, row in records.branches.items()}
    _let_see_all(admin, companies)
    for key, row in records.branches.items():
        admin.work_at(companies[key].id, None)
        _numbering(admin, row, companies[key])
        _units(admin, row, companies[key])
        _satusehat(admin, row['satusehat'], companies[key])
    employees = _staff(admin, records.staff, companies)
    _users(admin, records.users, companies, employees)


def _currency(admin, row):
    Currency = admin.model('currency.currency')
    currency = Currency(
        name=row['name'], code=row['code'], numeric_code=row['numeric_code'],
        symbol=row['symbol'], digits=row['digits'],
        rounding=Decimal(row['rounding']))
    currency.save()
    return currency


def _company(admin, row, currency):
    Company, Party = admin.model('company.company'), admin.model('party.party')
    party = Party(name=row['name'])
    party.lang = admin.only('ir.lang', ('code', '=', 'id'))
    address = party.addresses[0] if party.addresses else party.addresses.new()
    address.street_unstructured = row['street']
    address.city, address.postal_code = row['city'], row['postal_code']
    party.save()
    company = Company(
        party=party, currency=currency, timezone=row['timezone'],
        facility_type=row['facility_type'],
        facility_code=row['facility_code'],
        facility_license=row['facility_license'])
    company.save()
    return company


def _let_see_all(admin, companies):
    user = admin.only('res.user', ('login', '=', 'admin'))
    user.companies.extend(
        admin.record('company.company', c.id) for c in companies.values()
        if c not in user.companies)
    user.company = next(iter(companies.values()))
    user.company_filter = 'all'
    user.save()
    admin.refresh()


def _numbering(admin, row, company):
    "Give the branch its own numbers of patients and visits"
    configuration = admin.model('clinic.configuration')(1)
    for kind, name in [
            ('patient', "Nomor rekam medis"), ('encounter', "Kunjungan")]:
        Sequence = admin.model('ir.sequence')
        default = getattr(configuration, f'{kind}_sequence')
        sequence = Sequence(
            name=f'{name} {row["name"]}',
            sequence_type=default.sequence_type, company=company,
            prefix=row[f'{kind}_prefix'], padding=default.padding)
        sequence.save()
        setattr(configuration, f'{kind}_sequence', sequence)
    configuration.save()


def _units(admin, row, company):
    Unit = admin.model('clinic.unit')
    for unit_row in row['units']:
        unit = Unit(
            company=company, code=unit_row['code'], name=unit_row['name'],
            kind=unit_row['kind'])
        for room_row in unit_row['rooms']:
            unit.rooms.new(code=room_row['code'], name=room_row['name'])
        unit.save()


def _satusehat(admin, row, company):
    Credential = admin.model('satusehat.credential')
    Credential(
        company=company, environment=row['environment'],
        organization_id=row['organization_id'], client_id=row['client_id'],
        client_secret=row['client_secret']).save()
    company = admin.record('company.company', company.id)
    company.satusehat_environment = row['environment']
    company.save()


def _staff(admin, staff, companies):
    "Return the employees by (person, branch)"
    Party, Employee = admin.model('party.party'), admin.model('company.employee')
    employees = {}
    for key, row in staff.items():
        party = Party(
            name=row['name'], nik=row.get('nik'), sex=row['sex'],
            birth_date=_date(row.get('birth_date')))
        party.save()
        for job in row['employments']:
            employee = Employee(
                party=party, company=companies[job['branch']],
                profession=job['profession'],
                str_number=job.get('str_number'),
                sip_number=job.get('sip_number'))
            employee.save()
            employees[key, job['branch']] = employee
    return employees


def _users(admin, users, companies, employees):
    User, Group = admin.model('res.user'), admin.model('res.group')
    get_id = admin.model('ir.model.data').get_id
    language = admin.only('ir.lang', ('code', '=', 'id'))
    for login, row in users.items():
        user = User(login=login, language=language)
        user.name = employees[row['person'], row['branches'][0]].party.name
        user.companies.extend(
            admin.record('company.company', companies[b].id)
            for b in row['branches'])
        user.employees.extend(
            admin.record('company.employee', employees[row['person'], b].id)
            for b in row['branches'])
        home = row['branches'][0]
        user.company = companies[home]
        user.employee = employees[row['person'], home]
        user.company_filter = 'all' if row.get('all_branches') else 'one'
        user.groups.extend(
            Group(get_id(*group.split('.'), {})) for group in row['groups'])
        user.password = row['password']
        user.save()


def _date(text):
    return date.fromisoformat(text) if text else None
