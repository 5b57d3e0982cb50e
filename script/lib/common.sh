# Shared by the scripts of this folder's parent: source it, do not run it.
# Sets ROOT, VENV and VAR, and moves to ROOT.
# shellcheck shell=bash

set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
VENV=$ROOT/.venv
VAR=$ROOT/var
cd "$ROOT"

# say TEXT: one line of progress.
say() {
    printf '==> %s\n' "$*"
}

# warn TEXT: a remark that does not stop the script.
warn() {
    printf '%s: %s\n' "$(basename "$0")" "$*" >&2
}

# die TEXT...: each argument is a line of the reason; ends with exit code 1.
die() {
    warn "$1"
    shift
    [ $# -eq 0 ] || printf '    %s\n' "$@" >&2
    exit 1
}

# usage: prints the comment at the head of the running script.
usage() {
    sed -n '2,/^[^#]/{s/^#$//p;s/^# //p}' "$0"
}

# have COMMAND: whether it can be run.
have() {
    command -v "$1" >/dev/null 2>&1
}

# locked NAME COMMAND...: runs it while no other holder of NAME does.
locked() {
    local name=$1
    shift
    mkdir -p "$VAR/lock"
    {
        if ! flock --nonblock 9; then
            say "Waiting for another run that holds var/lock/$name"
            flock 9
        fi
        "$@" 9>&-
    } 9>"$VAR/lock/$name"
}

# digest FILE...: one hash over the names and contents of the files.
digest() {
    sha256sum "$@" | sha256sum | cut -d ' ' -f 1
}

# free_port [PORT]: prints a TCP port of 127.0.0.1 that is free just now, the
# named one if that is.
free_port() {
    "$VENV/bin/python" - "${1:-0}" <<'END'
import socket
import sys
for port in int(sys.argv[1]), 0:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(('127.0.0.1', port))
        except OSError:
            continue
        print(listener.getsockname()[1])
        break
END
}
