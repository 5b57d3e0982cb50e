# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"A platform reduced to what matters for the order of requests."

import json
import re

_OPEN = re.compile(r'(urn:uuid:[0-9a-f-]+)')


class Platform:
    """Stores what Steps write and refuses what may not be written.

    `refused` are the fullUrls whose content it does not take.  Raises
    AssertionError for a request that no platform could take: a reference to
    nothing, a PUT of nothing, a second resource under one identifier.
    """

    def __init__(self, refused=()):
        self.refused = set(refused)
        self.stored, self.requests = {}, []

    def write(self, step):
        "Carry out a Step; return the resource as shown, None when refused."
        resource = json.loads(step.body)
        self.requests.append(step)
        assert resource['resourceType'] == step.expect
        assert _OPEN.search(step.body.decode()) is None
        for target in references(resource):
            kind = target.partition('/')[0]
            assert target in self.stored or kind not in {
                'Encounter', 'Condition', 'Observation'}, target
        if step.entry.full_url in self.refused:
            return None
        if step.method == 'POST':
            identifiers = [
                row['identifier'] for row in self.stored.values()]
            assert resource['identifier'] not in identifiers
            path = f'{step.path}/{len(self.requests)}-{len(self.stored)}'
        else:
            path = step.path
            assert path in self.stored
            assert f'{step.expect}/{resource["id"]}' == path
        if resource.get('status') == 'finished':
            assert resource['diagnosis']
        shown = {**resource, 'id': path.partition('/')[2], 'meta': {
            'versionId': str(len(self.requests))}}
        self.stored[path] = shown
        return shown

    def by_identifier(self):
        "Return {identifier value: resource}."
        return {
            resource['identifier'][0]['value']: resource
            for resource in self.stored.values()}


def references(value):
    "Yield every reference within a value."
    if isinstance(value, list):
        for item in value:
            yield from references(item)
    elif isinstance(value, dict):
        for key, child in value.items():
            if key == 'reference':
                yield child
            else:
                yield from references(child)
