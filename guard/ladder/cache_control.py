"""The law of a shared cache (RFC 9111), as far as one needs it that answers only where the model cannot.

Giving an old answer then is what stale-if-error means (RFC 5861): the policy's `max_age` allows it, and a model that says
`no-cache`, or how long an answer lives and `must-revalidate`, `proxy-revalidate` or `s-maxage`, forbids it (§4.2.4).
"""

import re
from math import inf
from typing import Final, NamedTuple

from guard.proxy.values import Headers, combined, http_date

CREDENTIALS: Final = frozenset(
    (
        b"authorization", b"cookie", b"proxy-authorization", b"x-api-key", b"api-key", b"apikey", b"x-auth-token",
        b"x-access-token", b"x-goog-api-key", b"x-functions-key", b"ocp-apim-subscription-key", b"x-amz-security-token",
        b"x-subscription-token", b"private-token",
    )
)  # fmt: skip
"""Fields that say who asks: an answer to one is nobody else's (§3.5), and names that model servers give to API keys."""

_DIRECTIVE: Final = re.compile(
    rb'[ \t]*([!#$%&\'*+.^_`|~0-9A-Za-z-]+)(?:[ \t]*=[ \t]*("(?:[^"\\]|\\.)*"|[^", \t]*))?[ \t]*(?:,|\Z)'
)
_SECONDS: Final = re.compile(rb"[0-9]{1,300}\Z")

Directives = dict[bytes, bytes]


class Terms(NamedTuple):
    """On what terms an answer may be kept, in seconds since the model made it."""

    age: float  # when it came
    lifetime: float | None  # it is fresh for so long; None: the model does not say
    latest: float  # and may be given for so long
    vary: tuple[bytes, ...]


def directives(value: bytes | None) -> Directives:
    """The members of a Cache-Control field, lower case; of two of a name the smaller."""
    members: Directives = {}
    at = 0
    while value is not None and at < len(value):
        match = _DIRECTIVE.match(value, at)
        if match is None:
            at = (value.find(b",", at) + 1) or len(value)
            continue
        name, argument = match[1].lower(), (match[2] or b"").strip(b'"')
        if name in members and argument:
            argument = min(members[name], argument, key=lambda text: seconds(text, 0.0))
        members[name] = argument
        at = max(match.end(), at + 1)
    return members


def seconds(argument: bytes, strange: float) -> float:
    """A delta-seconds; `strange` where it is none."""
    return float(argument) if _SECONDS.match(argument) else strange


def terms(headers: Headers) -> Terms | None:
    """What the model says of its answer; None: it is not to be kept (§3)."""
    fields = combined(headers)
    own = directives(fields.get(b"cache-control"))
    vary = tuple(sorted({name.strip(b" \t").lower() for name in fields.get(b"vary", b"").split(b",")} - {b""}))
    if b"set-cookie" in fields or b"*" in vary or not own.keys().isdisjoint((b"no-store", b"private", b"no-cache")):
        return None
    lifetime = _lifetime(fields, own)
    strict = not own.keys().isdisjoint((b"must-revalidate", b"proxy-revalidate", b"s-maxage"))
    age = seconds(fields.get(b"age", b"0").partition(b",")[0].strip(b" \t"), 0.0)  # of several the first (§5.1)
    latest = inf
    if strict:
        latest = lifetime or 0.0
    elif lifetime is not None and b"stale-if-error" in own:
        latest = lifetime + seconds(own[b"stale-if-error"], 0.0)
    return Terms(age, lifetime, latest, vary) if latest > age else None


def _lifetime(fields: dict[bytes, bytes], directives: Directives) -> float | None:
    """Seconds for which an answer is fresh (§4.2.1); strange words are 0."""
    for name in (b"s-maxage", b"max-age"):
        if name in directives:
            return seconds(directives[name], 0.0)
    if b"expires" not in fields:
        return None
    expires, date = http_date(fields[b"expires"]), http_date(fields.get(b"date", b""))
    return max(expires - date, 0.0) if expires is not None and date is not None else 0.0


def may_keep(wanted: Directives) -> bool:
    """Whether a request lets its answer be kept (§5.2.1.5)."""
    return b"no-store" not in wanted


def accepts(wanted: Directives, age: float, lifetime: float) -> bool:
    """Whether a request takes an answer of that age (§5.2.1); `only-if-cached` asks for what guard does not do first."""
    if b"no-cache" in wanted:
        return False
    if b"max-age" in wanted and age > seconds(wanted[b"max-age"], 0.0):
        return False
    if b"min-fresh" in wanted and lifetime - age < seconds(wanted[b"min-fresh"], inf):
        return False
    stale = age - lifetime
    if stale < 0:
        return True
    limits = [
        seconds(wanted[name], inf if name == b"max-stale" and not wanted[name] else 0.0) for name in STALE if name in wanted
    ]
    return stale <= min(limits) if limits else b"max-age" not in wanted


STALE: Final = (b"max-stale", b"stale-if-error")
"""How much later than fresh a client takes an answer."""


def wishes(fields: dict[bytes, bytes]) -> Directives:
    """What a request says; Pragma where there is no Cache-Control (§5.4)."""
    control = fields.get(b"cache-control")
    if control is None and b"no-cache" in fields.get(b"pragma", b"").lower():
        return {b"no-cache": b""}
    return directives(control)
