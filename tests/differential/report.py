"""The page about the differences: docs/differences-from-envoy.md."""

import re
from collections.abc import Iterable

from tests.differential.case import Case
from tests.differential.corpus import FAMILIES
from tests.differential.observe import Seen, described

_INTRODUCTION = """\
# Where guard differs from Envoy

The same bytes were sent to guard and to Envoy, and the same answers came back to both: {count} cases, on sockets, with
real processes. In {differing} of them guard does something else than Envoy as it comes. Each is below, with the reason;
in the others a client and an upstream could not tell the two apart.

- **Envoy** {envoy} with no filter but its router, one route for everything, all options as they come.
- **Envoy hardened** is the same with `use_remote_address`, `normalize_path`, `merge_slashes`,
  `path_with_escaped_slashes_action: REJECT_REQUEST` and `headers_with_underscores_action: REJECT_REQUEST`, from Envoy's
  own advice for edges.
- **guard** {guard} with passthrough routes (`GET /p`, `POST /p`, `OPTIONS /p`, `GET /files/*`), all limits as they come.

A cell says the status, what became of the client's connection (*kept* was tried with another request), and, where the
three are not alike, what of the answer's body and headers came through and what the upstream saw. Left out is what each
proxy does to every message: its own headers, the framing of its errors, the order of header names.

This page is written by `make differential` from `tests/differential`; a difference without a reason, and a reason without
a difference, fails there. It is not a list of Envoy's faults: most of what is refused here can be refused by an Envoy
that is configured to.
"""
_FAULTS = """\
## Where guard is wrong

Here a standard asks for something else, and no reason outweighs it. Each is to go, or to be decided and moved up.
"""
_HEADER = "| Case | Envoy | Envoy hardened | guard | Why |\n|---|---|---|---|---|\n"


def page(found: list[Case], results: dict[str, list[Seen]], versions: tuple[str, str], count: int) -> str:
    """The whole page."""
    envoy, guard = versions
    parts = [_INTRODUCTION.format(count=count, differing=len(found), envoy=envoy, guard=guard)]
    for family, cases in FAMILIES.items():
        rows = [case for case in cases if case in found and not case.fault]
        if rows:
            parts.append(f"## {family}\n\n{_table(rows, results)}")
    if faults := [case for case in found if case.fault]:
        parts.append(f"{_FAULTS}\n{_table(faults, results)}")
    return "\n".join(parts)


def _table(rows: Iterable[Case], results: dict[str, list[Seen]]) -> str:
    return _HEADER + "".join(_row(case, described(results[case.name])) for case in rows)


def _row(case: Case, cells: list[str]) -> str:
    row = f"| {' | '.join([case.name, *cells, case.why])} |\n"
    return re.sub(r"guard-[0-9a-f]{12}", "guard-(id)", row)  # the pseudonym of one process
