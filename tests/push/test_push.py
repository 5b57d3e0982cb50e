# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The push against the emulator, over a real socket and committed data."


def test_visit_is_sent(clinic, emulator):
    encounter = clinic.visit(finding='386661006')
    assert clinic.submission(encounter)['state'] == 'pending'

    clinic.push()

    submission = clinic.submission(encounter)
    assert submission['state'] == 'sent', submission
    assert clinic.encounter_id(encounter)
