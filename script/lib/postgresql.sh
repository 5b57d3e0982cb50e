# A PostgreSQL server of our own for one run: source it after common.sh and
# apt.sh. The caller has to call postgresql_stop on every way out.
# shellcheck shell=bash

POSTGRESQL_BIN=
POSTGRESQL_HOME=

# ensure_postgresql: sets POSTGRESQL_BIN, from Debian's package if need be.
ensure_postgresql() {
    find_postgresql && return
    apt_install "a PostgreSQL server" postgresql
    find_postgresql || die \
        "initdb and pg_ctl are not to be found after installing."
}

# postgresql_start: a server on a free port of 127.0.0.1 with user tryton and
# nothing to survive a crash; sets and exports POSTGRESQL_URI.
postgresql_start() {
    local attempt
    ensure_postgresql
    # The socket's path is limited to 107 characters, and the server's user
    # has to reach it: hence /tmp and not TMPDIR.
    POSTGRESQL_HOME=$(mktemp -d /tmp/rme-pg.XXXXXX)
    if [ "$(id -u)" = 0 ]; then
        chown "$(postgresql_user)" "$POSTGRESQL_HOME"
    fi
    as_postgresql "$POSTGRESQL_BIN/initdb" --pgdata "$POSTGRESQL_HOME/data" \
        --username tryton --auth trust --encoding UTF8 --locale C.UTF-8 \
        --no-sync >/dev/null || die "initdb failed (see above)."
    for attempt in 1 2 3; do
        if postgresql_listen; then
            say "PostgreSQL $(postgresql_version) at $POSTGRESQL_URI"
            return
        fi
    done
    as_postgresql cat "$POSTGRESQL_HOME/log" >&2 || true
    die "The PostgreSQL server did not start in $attempt tries (see above)."
}

# postgresql_listen: starts the server on a port that is free just now.
postgresql_listen() {
    local port
    port=$(free_port)
    export POSTGRESQL_URI=postgresql://tryton@127.0.0.1:$port/
    as_postgresql "$POSTGRESQL_BIN/pg_ctl" start --silent --wait \
        --pgdata "$POSTGRESQL_HOME/data" --log "$POSTGRESQL_HOME/log" \
        --options "-p $port -k $POSTGRESQL_HOME -c listen_addresses=127.0.0.1 \
            -c fsync=off -c synchronous_commit=off -c full_page_writes=off \
            -c max_connections=200" </dev/null
}

# postgresql_stop: stops what postgresql_start started and deletes its data.
postgresql_stop() {
    [ -n "$POSTGRESQL_HOME" ] || return 0
    if as_postgresql test -f "$POSTGRESQL_HOME/data/postmaster.pid"; then
        as_postgresql "$POSTGRESQL_BIN/pg_ctl" stop --silent \
            --pgdata "$POSTGRESQL_HOME/data" --mode immediate ||
            warn "the PostgreSQL server of $POSTGRESQL_HOME did not stop"
    fi
    rm -rf "$POSTGRESQL_HOME"
    POSTGRESQL_HOME=
}

# find_postgresql: sets POSTGRESQL_BIN; the newest of several versions.
find_postgresql() {
    local directory
    for directory in \
            "$(dirname "$(readlink -f "$(command -v pg_ctl || echo /)")")" \
            $(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -rV); do
        if [ -x "$directory/pg_ctl" ] && [ -x "$directory/initdb" ]; then
            POSTGRESQL_BIN=$directory
            return
        fi
    done
    return 1
}

postgresql_version() {
    "$POSTGRESQL_BIN/postgres" --version | sed 's/[^0-9]*\([0-9.]*\).*/\1/'
}

# postgresql_user: who runs the server when we are root, which it refuses.
postgresql_user() {
    if id postgres >/dev/null 2>&1; then echo postgres; else echo nobody; fi
}

# as_postgresql COMMAND...: runs it as the server's user, from a directory
# which that user can read.
as_postgresql() {
    if [ "$(id -u)" != 0 ]; then
        (cd / && "$@")
    elif have runuser; then
        (cd / && runuser -u "$(postgresql_user)" -- "$@")
    else
        (cd / && su "$(postgresql_user)" -s /bin/sh -c '"$0" "$@"' -- "$@")
    fi
}
