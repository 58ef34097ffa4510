"""`make attack`: every attack with each number of connections, and the table of docs/security.md on stdout.

python -m tests.attack.run [--seconds 5] [--only TEXT] [--small] [--write]
"""

import argparse
import sys
from pathlib import Path

from tests.attack.registry import ATTACKS
from tests.attack.stage import ROOT
from tests.attack.trial import BOUNDS, MACHINE, Outcome, attempt

PAGE = ROOT / "docs" / "security.md"
BEGIN, END = "<!-- attacks: begin -->\n", "<!-- attacks: end -->\n"
HEAD = (
    "| attack | connections | client p99 | new connection p99 | livez | readyz | kill in force | kill answered | machine | memory "
    "| held |\n|---|---|---|---|---|---|---|---|---|---|---|\n"
)


def row(outcome: Outcome) -> str:
    """One line of the table."""
    times = " | ".join(
        f"{outcome.seconds[name] * 1000:.0f} ms" + (f", {len(failed)} failed" if (failed := outcome.failures[name]) else "")
        for name in (*BOUNDS, MACHINE)
    )
    held = "yes" if not outcome.complaints() else "**no**"
    return f"| {outcome.name} | {outcome.connections:,} | {times} | {outcome.memory:.0f} MiB | {held} |\n"


def main() -> int:
    """0 where every bound was held."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--only", default="")
    parser.add_argument("--connections", type=int, default=0, help="only this number")
    parser.add_argument("--small", action="store_true", help="one number of connections for each attack, as in CI")
    parser.add_argument("--write", action="store_true", help="put the table into docs/security.md")
    given = parser.parse_args()
    rows = [row(attempt(None, 0, given.seconds))]
    sys.stdout.write(HEAD + rows[0])
    broken = 0
    for attack in ATTACKS:
        for connections in (attack.small,) if given.small else attack.connections:
            if given.only not in f"{attack.port} {attack.name}" or given.connections not in {0, connections}:
                continue
            outcome = attempt(attack, connections, given.seconds)
            rows.append(row(outcome))
            sys.stdout.write(rows[-1])
            sys.stdout.flush()
            for complaint in outcome.complaints():
                sys.stderr.write(f"  {attack.name}, {connections}: {complaint}\n")
            broken += bool(outcome.complaints())
    if given.write:
        _write(PAGE, HEAD + "".join(rows))
    return 1 if broken else 0


def _write(page: Path, table: str) -> None:
    text = page.read_text()
    before, _, rest = text.partition(BEGIN)
    page.write_text(before + BEGIN + table + END + rest.partition(END)[2])


if __name__ == "__main__":
    sys.exit(main())
