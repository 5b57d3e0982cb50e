# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What a watcher from outside sees: health and metrics.

Numbers, branches and the platform's own words for kinds of things; nothing
about a person, a visit or a secret.
"""
