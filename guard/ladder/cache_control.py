"""The rules of a shared cache (RFC 9111) that apply to a cache which answers only when the model cannot.

An old answer given then is what stale-if-error means (RFC 5861). The policy's `max_age` allows it. A model forbids it with
`no-cache`, or with a lifetime and `must-revalidate`, `proxy-revalidate` or `s-maxage` (§4.2.4).
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
"""Fields that carry a client's credentials, and names that model servers give to API keys.

An answer to a request with one of them is not given to another client (RFC 9111 §3.5).
"""

_DIRECTIVE: Final = re.compile(
    rb'[ \t]*([!#$%&\'*+.^_`|~0-9A-Za-z-]+)(?:[ \t]*=[ \t]*("(?:[^"\\]|\\.)*"|[^", \t]*))?[ \t]*(?:,|\Z)'
)
_SECONDS: Final = re.compile(rb"[0-9]{1,300}\Z")

Directives = dict[bytes, bytes]


class Terms(NamedTuple):
    """Conditions under which an answer may be kept. Times in seconds since the model made the answer."""

    age: float  # at which it arrived
    lifetime: float | None  # it is fresh until then; None: the model does not say
    latest: float  # it may be given until then
    vary: tuple[bytes, ...]


def directives(value: bytes | None) -> Directives:
    """The members of a Cache-Control field, lower case. If a member is repeated, the smaller number of seconds counts."""
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
    """The number that a delta-seconds (RFC 9111 §1.2.2) holds; `strange` if the text is not one."""
    return float(argument) if _SECONDS.match(argument) else strange


def terms(headers: Headers) -> Terms | None:
    """The conditions that the model's headers set for keeping its answer; None: it must not be kept (RFC 9111 §3)."""
    fields = combined(headers)
    own = directives(fields.get(b"cache-control"))
    vary = tuple(sorted({name.strip(b" \t").lower() for name in fields.get(b"vary", b"").split(b",")} - {b""}))
    if b"set-cookie" in fields or b"*" in vary or not own.keys().isdisjoint((b"no-store", b"private", b"no-cache")):
        return None
    lifetime = _lifetime(fields, own)
    strict = not own.keys().isdisjoint((b"must-revalidate", b"proxy-revalidate", b"s-maxage"))
    age = seconds(fields.get(b"age", b"0").partition(b",")[0].strip(b" \t"), 0.0)  # the first of several (§5.1)
    latest = inf
    if strict:
        latest = lifetime or 0.0
    elif lifetime is not None and b"stale-if-error" in own:
        latest = lifetime + seconds(own[b"stale-if-error"], 0.0)
    return Terms(age, lifetime, latest, vary) if latest > age else None


def _lifetime(fields: dict[bytes, bytes], directives: Directives) -> float | None:
    """Seconds for which an answer is fresh (RFC 9111 §4.2.1); 0 if the value is not valid, None if there is none."""
    for name in (b"s-maxage", b"max-age"):
        if name in directives:
            return seconds(directives[name], 0.0)
    if b"expires" not in fields:
        return None
    expires, date = http_date(fields[b"expires"]), http_date(fields.get(b"date", b""))
    return max(expires - date, 0.0) if expires is not None and date is not None else 0.0


def may_keep(wanted: Directives) -> bool:
    """Whether a request allows its answer to be kept (RFC 9111 §5.2.1.5)."""
    return b"no-store" not in wanted


def accepts(wanted: Directives, age: float, lifetime: float) -> bool:
    """Whether a request takes an answer of that age (RFC 9111 §5.2.1). Times in seconds.

    `only-if-cached` has no effect: guard asks the model first.
    """
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
"""Directives with which a client takes an answer that is no longer fresh, each with its seconds."""


def wishes(fields: dict[bytes, bytes]) -> Directives:
    """The Cache-Control directives of a request; Pragma counts if there is no Cache-Control (RFC 9111 §5.4)."""
    control = fields.get(b"cache-control")
    if control is None and b"no-cache" in fields.get(b"pragma", b"").lower():
        return {b"no-cache": b""}
    return directives(control)
