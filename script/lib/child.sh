# Running and ending the children of a script: source it after common.sh.
# shellcheck shell=bash

CHILD=

# on_exit FUNCTION: calls it once on every way out of the script, after the
# running child has ended.
on_exit() {
    trap "$1" EXIT
    trap 'end_by INT 130' INT
    trap 'end_by TERM 143' TERM
    trap 'end_by HUP 129' HUP
}

# run_child COMMAND...: runs it and returns its exit code. A signal to this
# script is answered at once, not when the command happens to end.
run_child() {
    local status=0
    env --default-signal=INT "$@" <&0 &
    CHILD=$!
    wait "$CHILD" || status=$?
    CHILD=
    return "$status"
}

# end_by SIGNAL CODE: ends the child and the script. A terminal's Ctrl-C has
# reached the child already; only one that goes on is told again.
end_by() {
    trap '' INT TERM HUP
    printf '\n' >&2
    warn "ended by SIG$1, cleaning up"
    if [ -n "$CHILD" ]; then
        child_ends_within 5 || kill -s "$1" "$CHILD" 2>/dev/null || true
        child_ends_within 20 || kill -s KILL "$CHILD" 2>/dev/null || true
        wait "$CHILD" 2>/dev/null || true
    fi
    exit "$2"
}

# child_ends_within SECONDS: whether the child is gone by then.
child_ends_within() {
    local tenths=$(($1 * 10))
    while kill -0 "$CHILD" 2>/dev/null; do
        [ "$((tenths -= 1))" -gt 0 ] || return 1
        sleep 0.1
    done
}

SERVERS=()

# start_server OUTPUT ERRORS COMMAND...: runs it beside the script, in a
# session of its own, so that a terminal's Ctrl-C reaches it only through
# stop_servers. The kernel ends it if this script is killed outright.
start_server() {
    local output=$1 errors=$2 guard=()
    shift 2
    if setpriv --pdeathsig INT true 2>/dev/null; then
        guard=(setpriv --pdeathsig INT)
    fi
    setsid "${guard[@]}" env --default-signal=INT "$@" \
        </dev/null >>"$output" 2>>"$errors" &
    SERVERS+=($!)
}

# stop_servers: ends all that start_server started, the last one first.
stop_servers() {
    local index
    for ((index = ${#SERVERS[@]} - 1; index >= 0; index--)); do
        CHILD=${SERVERS[index]}
        kill -s INT "$CHILD" 2>/dev/null || true
        child_ends_within 15 || warn "process $CHILD had to be killed"
        kill -s KILL -- "-$CHILD" 2>/dev/null || true
        wait "$CHILD" 2>/dev/null || true
    done
    CHILD=
    SERVERS=()
}
