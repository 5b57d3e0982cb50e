# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Prints, and what stands on them."""

import io
import zipfile
from unittest.mock import patch

from lxml import etree
from trytond.report import Report

from .tools import RemoteTestCase

TEXT = '{urn:oasis:names:tc:opendocument:xmlns:text:1.0}'
# Longer than a page, and what markup and databases stumble over
NASTY = "A & B <b>\"quoted\"</b> 'x' ${1/0} <if test=\"1\"> 😀"
LONG = ("Keluhan panjang. " * 600).strip()


def paragraphs(odt):
    "Return the texts of the paragraphs of an OpenDocument text, in order"
    found = []
    with zipfile.ZipFile(io.BytesIO(odt)) as document:
        for name in ['content.xml', 'styles.xml']:
            root = etree.fromstring(document.read(name))
            found += [
                ' '.join(''.join(p.itertext()).split())
                for p in root.iter(f'{TEXT}p')]
    return [text for text in found if text]


def _keep(cls, report, data, **kwargs):
    return 'odt', data


class PrintTestCase(RemoteTestCase):
    "Tests that read what was printed, without LibreOffice"

    def execute(self, login, report, *ids, data=None, **context):
        "Return (extension, content, direct print, name)"
        config = self.user(login).config
        proxy = config.get_proxy(report, 'report')
        with patch.object(Report, 'convert', classmethod(_keep)):
            return proxy.execute(
                list(ids), data or {}, {**config.context, **context})

    def odt(self, login, report, *ids):
        "Return the print as an OpenDocument text"
        extension, content, _, _ = self.execute(login, report, *ids)
        self.assertEqual(extension, 'odt')
        return bytes(content)

    def printed(self, login, report, *ids):
        "Return the texts of the paragraphs of the print"
        return paragraphs(self.odt(login, report, *ids))

    def shown(self, day):
        "Return the day as prints write it"
        with self.database() as pool:
            return pool.get('ir.lang').get('id').strftime(day, '%d %B %Y')

    def assertPrinted(self, texts, *wanted):
        "Each of the texts stands on the paper, whatever surrounds it"
        paper = '\n'.join(texts)
        self.assertEqual(
            [w for w in wanted if ' '.join(str(w).split()) not in paper], [],
            paper)
