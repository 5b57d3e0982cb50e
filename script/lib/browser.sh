# The browser and the web client: source it after common.sh and apt.sh.
# shellcheck shell=bash

export SAO_ROOT=${SAO_ROOT:-$VAR/sao}

# ensure_chromium: sets CHROMIUM and CHROMEDRIVER, from Debian's packages
# unless both variables name another pair.
ensure_chromium() {
    if ! find_chromium; then
        apt_install "the browser test" chromium chromium-driver
        find_chromium || die \
            "Chromium and its driver are not to be found after installing." \
            "Set CHROMIUM and CHROMEDRIVER to their paths."
    fi
    export CHROMIUM CHROMEDRIVER
}

# find_chromium: whether a browser and its driver are there.
find_chromium() {
    CHROMIUM=${CHROMIUM:-$(command -v chromium || true)}
    CHROMEDRIVER=${CHROMEDRIVER:-$(command -v chromedriver || true)}
    [ -x "$CHROMIUM" ] && [ -x "$CHROMEDRIVER" ]
}

# ensure_sao: makes SAO_ROOT the directory that [web] root takes.
ensure_sao() {
    if sao_is_current; then
        return
    fi
    [ "$SAO_ROOT" = "$VAR/sao" ] || die \
        "SAO_ROOT=$SAO_ROOT holds no tryton-sao (no index.html)." \
        "Unset the variable to have it installed below var/."
    have npm || apt_install "the web client" nodejs npm
    install_sao_once
}

# install_sao_once: installs it unless another run just did.
install_sao_once() {
    locked sao install_sao
}

# sao_is_current: whether SAO_ROOT holds the pinned version, or another one
# that the caller chose by setting the variable.
sao_is_current() {
    [ -f "$SAO_ROOT/index.html" ] || return
    [ "$SAO_ROOT" != "$VAR/sao" ] || [ "$(cat "$SAO_ROOT/.pin" 2>/dev/null)" \
        = "$(digest script/lib/sao/package-lock.json)" ]
}

# install_sao: the package refers to node_modules/ inside itself while npm
# lays its libraries beside it, so the one is moved into the other.
install_sao() {
    local work
    sao_is_current && return
    say "Installing the web client tryton-sao (some seconds)"
    work=$(mktemp -d "$VAR/sao.XXXXXX")
    cp script/lib/sao/package.json script/lib/sao/package-lock.json "$work"
    if ! (cd "$work" && npm ci --ignore-scripts --no-audit --no-fund \
            --loglevel=error </dev/null >"$work/log" 2>&1); then
        cat "$work/log" >&2
        rm -rf "$work"
        die "npm could not install tryton-sao (see above)." \
            "Is the package registry reachable?" ${OTHERWISE:+"$OTHERWISE"}
    fi
    mv "$work/node_modules/tryton-sao" "$work/sao"
    mv "$work/node_modules" "$work/sao/node_modules"
    complete_sao "$work/sao"
    digest script/lib/sao/package-lock.json >"$work/sao/.pin"
    rm -rf "$VAR/sao"
    mv "$work/sao" "$VAR/sao"
    rm -rf "$work"
}

# complete_sao DIRECTORY: the files that the client asks for and the package
# leaves to the site; without them the browser logs errors.
complete_sao() {
    touch "$1/custom.js" "$1/custom.css"
    local language
    for language in en en_US; do
        [ -f "$1/locale/$language.json" ] ||
            echo '{}' >"$1/locale/$language.json"
    done
}
