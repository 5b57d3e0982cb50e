# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"How the platform hides personal data in its answers."

NIK_MASK = '#' * 16


def mask_name(name):
    """Return `name` with each word cut: 'Siti Contoh' -> 'Si** Co**'.

    Words of up to three letters keep one letter, longer ones two
    (SATUSEHAT, Master Patient Index, samples of 2024-12 and later).
    """
    return ' '.join(
        word[:1 if len(word) <= 3 else 2] + '**' for word in name.split())


def mask_practitioner_nik(nik):
    "Return the NIK with all but its last three digits hidden."
    return '#' * max(len(nik) - 3, 0) + nik[-3:]


def mask_address_line(line):
    return line[:9] + '***'
