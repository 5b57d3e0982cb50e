# The virtual environment: source it after common.sh and apt.sh.
# shellcheck shell=bash

PYTHON_OLDEST=3.10
EXTRAS_DEMO=demo,data,emulator
EXTRAS_ALL=demo,data,emulator,postgresql,test

# python_suits COMMAND: whether it is a Python that is new enough.
python_suits() {
    "$1" - "$PYTHON_OLDEST" 2>/dev/null <<'END'
import sys
sys.exit(sys.version_info[:2] < tuple(map(int, sys.argv[1].split('.'))))
END
}

# find_python: prints the Python to use: $PYTHON, python3 or a numbered one.
find_python() {
    local candidate
    if [ -n "${PYTHON:-}" ]; then
        python_suits "$PYTHON" || die \
            "PYTHON=$PYTHON is no Python $PYTHON_OLDEST or newer."
        printf '%s\n' "$PYTHON"
        return
    fi
    for candidate in python3 python3.{14,13,12,11,10}; do
        if python_suits "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

# make_venv: creates .venv, with the package it needs where Debian splits it.
make_venv() {
    local python
    python=$(find_python) || {
        apt_install "the virtual environment" python3 python3-venv
        python=$(find_python) || die \
            "Python $PYTHON_OLDEST or newer is needed." \
            "Name one with the variable PYTHON, e.g. PYTHON=python3.12"
    }
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        apt_install "the virtual environment" "$(venv_package "$python")"
        "$python" -c 'import ensurepip, venv' || die \
            "$python still has no module venv." \
            "Name a complete Python with the variable PYTHON."
    fi
    say "Creating .venv with $("$python" --version)"
    rm -rf "$VENV"
    "$python" -m venv "$VENV"
}

# venv_package PYTHON: the Debian package with the modules venv and ensurepip.
venv_package() {
    case $("$1" -c 'import sys; print(sys.executable)') in
        "$(readlink -f /usr/bin/python3)" | /usr/bin/python3)
            echo python3-venv ;;
        *)
            "$1" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])' ;;
    esac
}

# venv_stamp EXTRAS: what an installation with these extras is made from.
venv_stamp() {
    printf '%s %s %s\n' "$1" "$ROOT" \
        "$(digest setup.py pyproject.toml tryton.cfg constraints.txt)"
}

# venv_works: whether .venv has a Python that suits and runs.
venv_works() {
    [ -x "$VENV/bin/python" ] && python_suits "$VENV/bin/python"
}

# venv_is_current EXTRAS: whether they are installed from the present files.
venv_is_current() {
    local extras
    venv_works || return
    for extras in "$1" "$EXTRAS_ALL"; do
        if [ "$(cat "$VENV/.bootstrap" 2>/dev/null)" = \
                "$(venv_stamp "$extras")" ]; then
            return
        fi
    done
    return 1
}

# ensure_venv EXTRAS: makes .venv hold the suite, editable, with the extras.
ensure_venv() {
    if venv_is_current "$1"; then
        return
    fi
    locked venv install_venv "$1"
}

install_venv() {
    local quiet=-qq
    venv_is_current "$1" && return
    venv_works || make_venv
    [ ! -t 1 ] || quiet=--progress-bar=on
    rm -f "$VENV/.bootstrap"
    say "Installing the suite with extras $1 (half a minute the first time)"
    venv_pip "$quiet" --constraint constraints.txt pip setuptools
    venv_pip "$quiet" --constraint constraints.txt \
        --no-build-isolation --editable ".[$1]"
    venv_stamp "$1" >"$VENV/.bootstrap"
}

# venv_pip ARGUMENT...: pip install, or the end of the script with a reason.
venv_pip() {
    "$VENV/bin/python" -m pip install --disable-pip-version-check "$@" || die \
        "pip could not install the packages (see above)." \
        "Is the package registry reachable? Then run script/bootstrap again."
}
