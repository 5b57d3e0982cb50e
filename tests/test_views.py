# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What the clients need of a view, and the server does not check."""

from itertools import chain

import pytest
from lxml import etree
from trytond.pool import Pool
from trytond.tests.test_tryton import activate_module, with_transaction
from trytond.transaction import Transaction

MODULES = ['clinic_rme', 'satusehat_integration']
MOMENTS = {'datetime', 'timestamp', 'time'}


@pytest.fixture(scope='module')
def views():
    "The (name, model, type, arch, fields) of the views of both modules"
    activate_module('satusehat_integration')
    return load()


@with_transaction()
def load():
    View = Pool().get('ir.ui.view')
    return list(chain.from_iterable(
            describe(view) for view in View.search([
                    ('module', 'in', MODULES)])))


def describe(view):
    "Yield the view as clients get it: with what other modules add"
    view = view.inherit or view
    Model = Pool().get(view.model)
    with Transaction().set_context(_check_access=False):
        definition = Model.fields_view_get(view_id=view.id)
    yield (
        f'{view.model} {view.name}', view.model, definition['type'],
        etree.fromstring(definition['arch']), definition['fields'])


def test_views_are_found(views):
    assert {kind for _, _, kind, _, _ in views} == {'form', 'graph', 'tree'}
    assert {model.split('.')[0] for _, model, _, _, _ in views} >= {
        'clinic', 'satusehat'}


@with_transaction()
def extensions():
    View = Pool().get('ir.ui.view')
    return [
        (f'{view.module}.{view.name}', view.inherit) for view in View.search([
                ('module', 'in', MODULES), ('inherit', '!=', None)])
        if view.inherit.model == view.model and view.inherit.inherit]


def test_extensions_go_to_the_view_itself(views):
    "What extends an extension of a view is never shown"
    assert not extensions()


def test_moments_in_lists_are_date_or_time(views):
    "The web client opens no tab at all for a list with another widget"
    wrong = [
        f'{name}: {field.get("name")}'
        for name, _, kind, arch, fields in views if kind == 'tree'
        for field in arch.iter('field')
        if fields[field.get('name')]['type'] in MOMENTS
        and field.get('widget') not in {'date', 'time'}]
    assert not wrong


def test_rows_of_a_list_know_their_parent(views):
    """What is entered in a form's list needs the link to the form's record.

    The clients know only the fields of the view; without the link nothing
    that depends on the parent is computed for a new row.
    """
    by_id = {}
    for name, model, kind, _arch, fields in views:
        by_id.setdefault((model, kind), []).append((name, fields))
    missing = []
    for model, parent in [
            ('clinic.vital_signs', 'encounter'),
            ('clinic.diagnosis', 'encounter'),
            ('clinic.allergy', 'patient'),
            ('clinic.related_person', 'patient'),
            ('clinic.room', 'unit')]:
        for kind in ['tree', 'form']:
            assert by_id[model, kind]
            missing += [
                f'{name}: {parent}' for name, fields in by_id[model, kind]
                if parent not in fields]
    assert not missing


def test_views_given_to_a_record_are_a_list_and_a_form(views):
    "The clients take the first as the list of a search, the second as form"
    for name, model, kind, arch, fields in views:
        for field in arch.iter('field'):
            if (kind == 'form' and field.get('view_ids')
                    and fields[field.get('name')]['type'] == 'many2one'):
                assert len(field.get('view_ids').split(',')) == 2, (
                    f'{name} {model}: {field.get("name")}')
