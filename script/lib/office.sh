# LibreOffice for the prints: source it after common.sh and apt.sh.
# shellcheck shell=bash

# ensure_office: makes soffice and the tools that look at its papers be there.
ensure_office() {
    have soffice && have pdftotext && return
    apt_install "the tests of the prints" \
        libreoffice-writer-nogui fonts-liberation poppler-utils
}
