# What Debian and Ubuntu provide: source it, do not run it.
# shellcheck shell=bash

# as_root COMMAND...: runs it as root, or returns 126 where that is not to be
# had. It asks for a password only on a terminal.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif have sudo && sudo -n true 2>/dev/null; then
        sudo "$@"
    elif have sudo && [ -t 0 ] && [ -z "${CI:-}" ]; then
        say "Root is needed for: $*"
        sudo "$@"
    else
        return 126
    fi
}

# apt_install WHY PACKAGE...: installs the packages, or ends the script with
# the command that somebody with the right to it has to run. The caller may say
# in OTHERWISE how to do without them.
apt_install() {
    local why=$1 status=0 log
    shift
    have apt-get || die \
        "$why needs these Debian packages, and this system has no apt-get: $*" \
        "Install what provides the same by the means of your system." \
        ${OTHERWISE:+"$OTHERWISE"}
    as_root true || die \
        "$why needs packages that are not installed, and this user may not." \
        "Ask an administrator for: apt-get install $*" \
        ${OTHERWISE:+"$OTHERWISE"}
    say "Installing for $why: $* (Debian packages)"
    log=$(mktemp)
    apt_run update -qq >"$log" 2>&1 || warn "apt-get update failed, going on"
    apt_run install -qq --yes --no-install-recommends "$@" >>"$log" 2>&1 ||
        status=$?
    [ "$status" = 0 ] || cat "$log" >&2
    rm -f "$log"
    [ "$status" = 0 ] || die \
        "apt-get could not install what $why needs: $*" \
        "Try by hand: apt-get update && apt-get install $*" \
        ${OTHERWISE:+"$OTHERWISE"}
}

# apt_run ARGUMENT...: apt-get without questions.
apt_run() {
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@" </dev/null
}
