"""Selectors of this service's series, and PromQL about them.

Series of guard do not carry the service's name; a collector gives all series of a service the label `job` (OTLP's
`service.name` becomes it; deploy/ sets it for scrapes), so that is how they are told apart unless a selector is given.

Promises are about routes with a contract: what is passed through, a health check for one, would only dilute them. A
template cannot be escaped in place of it in PromQL, so passthrough templates are excluded by a regular expression.
"""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from guard.policy.models import Passthrough, Policy, Route
from guard.telemetry.accumulators import Instrument
from guard.telemetry.prometheus import name

ROUTE: Final = "http_request_method, http_route"
ANSWERED: Final = 'guard_source=~"model|previous|cached|rules|disabled"'
"""Requests that a rung answered: not refused, and the client stayed."""
LOWERED: Final = 'guard_source=~"previous|cached|rules|disabled"'
COUNTED: Final = 'http_response_status_code!~"4..|"'
"""Answers that are held against a target: a request that guard or the model refused is nobody's failure, and a flood of
them must not dilute one; without a status the client has gone."""
FAILED: Final = 'http_response_status_code=~"5.."'

_MATCHER: Final = re.compile(r'\s*[a-zA-Z_][a-zA-Z0-9_]*\s*(?:=~|!~|!=|=)\s*"(?:[^"\\\n]|\\.)*"\s*')
_SPECIAL: Final = re.compile(r"[\\.+*?()|\[\]{}^$]")


class SelectorInvalid(ValueError):  # noqa: N818
    """A selector that is not a list of label matchers."""


class Scope(NamedTuple):
    """The series of one service: by `selector`, matchers; of its routes with a contract: by `promised` besides."""

    policy: Policy
    digest: str
    selector: str
    promised: str

    @property
    def service(self) -> str:
        """The name of the service."""
        return self.policy.service

    def series(self, instrument: Instrument, *matchers: str, part: str = "") -> str:
        """A selector of an instrument's series; `part`: `_bucket`, `_sum` or `_count` of a histogram."""
        metric = name(instrument) + ("_total" if instrument.kind == "counter" else part)
        return f"{metric}{{{', '.join((self.selector, *matchers))}}}"

    def rate(self, instrument: Instrument, window: str, *matchers: str, part: str = "") -> str:
        """Per second, over a window."""
        return f"rate({self.series(instrument, *matchers, part=part)}[{window}])"

    def increase(self, instrument: Instrument, window: str, *matchers: str) -> str:
        """The increase of a counter over a window."""
        return f"increase({self.series(instrument, *matchers)}[{window}])"


def scope(policy: Policy, digest: str, selector: str | None) -> Scope:
    """The scope of a policy. Raises SelectorInvalid."""
    chosen = matcher("job", "=", policy.service) if selector is None else selector.strip()
    if chosen.startswith("{") and chosen.endswith("}"):
        chosen = chosen[1:-1]
    chosen = chosen.strip().removesuffix(",")
    if not _is_selector(chosen):
        raise SelectorInvalid('expected label matchers such as job="credit-risk", namespace="risk"')
    return Scope(policy, digest, chosen, _promised(policy))


def routes(policy: Policy) -> Sequence[tuple[str, Route]]:
    """The routes with a contract, by key."""
    return [(key, route) for key, route in policy.routes.items() if isinstance(route, Route)]


def matcher(label: str, operator: str, value: str) -> str:
    """A label matcher; the value as PromQL quotes it."""
    quoted = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'{label}{operator}"{quoted}"'


def number(value: float) -> str:
    """A number as PromQL reads it, without the noise of binary fractions."""
    return f"{value:.10g}"


def share(part: str, total: str) -> str:
    """`part` of `total`; 0 where there is none of the part, nothing where there is nothing of the whole.

    0/0 would be NaN, and one NaN in a month of samples makes the month's average NaN.
    """
    return f"(sum({part}) or vector(0))\n/\n(sum({total}) > 0)"


def share_by(labels: str, part: str, total: str, of: str) -> str:
    """The same for each set of labels, of the whole by fewer labels; without the part there is nothing."""
    left, right = f"sum by ({labels}) ({part})", f"(sum by ({of}) ({total}) > 0)"
    return f"{left}\n/ on ({of}) group_left ()\n{right}"


def _promised(policy: Policy) -> str:
    with_contract = {key.partition(" ")[2] for key, _ in routes(policy)}
    passed = {key.partition(" ")[2] for key, route in policy.routes.items() if isinstance(route, Passthrough)}
    excluded = sorted(passed - with_contract)
    if not excluded:
        return 'http_route!=""'
    return matcher("http_route", "!~", "|".join(_SPECIAL.sub(r"\\\g<0>", template) for template in excluded) + "|")


def _is_selector(text: str) -> bool:
    at = 0
    while match := _MATCHER.match(text, at):
        at = match.end()
        if at == len(text):
            return True
        if text[at] != ",":
            return False
        at += 1
    return False
