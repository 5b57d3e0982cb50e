# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Mapping of plain visit data to FHIR R4 and reading of the answers.

Pure functions: no database, no network.  Entry points are `bundle.build`,
`bundle.to_bytes`, `validation.validate`, `organization.build`,
`location.build` and the functions of `answer`.
"""
