# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"What a sender did, in words for the server's log."

# What became of the claimed, in the order of the line
_OUTCOMES = [
    ('sent', "sent"),
    ('waiting', "to be tried again"),
    ('checking', "to be looked for"),
    ('pending', "not begun"),
    ('released', "put back"),
    ('needs_data', "refused for their data"),
    ('needs_admin', "in need of an administrator"),
    ]


def summary(counts, seconds):
    """Return one line about a run of the sender.

    counts maps 'claimed', 'requests' and the states that submissions went
    to, 'released' included, to their number; what is missing counts as
    none.  seconds is how long the run took.
    """
    outcomes = [
        f'{counts[state]} {words}' for state, words in _OUTCOMES
        if counts.get(state)]
    return (
        f"SATUSEHAT: {counts.get('claimed', 0)} visits claimed: "
        f"{', '.join(outcomes) or 'none settled'}; "
        f"{counts.get('requests', 0)} requests in {seconds:.1f} s")


def clock(environment, seconds):
    """Return one line about this server's clock beside the platform's.

    seconds is the platform's minus ours, None where they agree.
    """
    where = f"SATUSEHAT {environment}: this server's clock"
    if seconds is None:
        return f"{where} agrees with the platform's again"
    way = "behind" if seconds > 0 else "ahead of"
    return f"{where} is {abs(seconds) / 60:.0f} minutes {way} the platform's"


def problem(environment, branch, reason, count):
    """Return one line about why a branch, or the host, is not sent for.

    branch is the id of its company, None for the host itself; reason as in
    satusehat.submission; count is how many submissions met it.
    """
    where = f"branch {branch}" if branch else "host"
    return f"SATUSEHAT {environment}, {where}: {reason} ({count} visits)"
