"""Instructions that a request costs, counted by callgrind in `in_memory.py`, beside those of the baseline.

A count does not know how busy a machine is, so a change of a few in a hundred shows. It is no time: what waits for memory
or for the kernel is not in it. Start-up is not in it either: callgrind counts between two marks, after a warm-up.

The baseline is `instructions.json` as the commit before has it. More than 10 % above it is refused, unless a commit since
says why, in a trailer of its message:

    Slower: answers are held against the new contract twice, until clients have moved

Counts compare only where Python and valgrind are the baseline's; elsewhere they are printed, and nothing is refused.

    python -m benchmarks.instructions [--write] [SCENARIO …]
"""

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.scenarios import SCENARIOS

ROOT = Path(__file__).resolve().parents[1]
BASELINE = "benchmarks/instructions.json"
TIMES = 400
ALLOWED = 0.10


def versions() -> dict[str, str]:
    """What else the counts depend on."""
    told = subprocess.run(["valgrind", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    return {"python": platform.python_version(), "valgrind": told.removeprefix("valgrind-"), "machine": platform.machine()}


def counted(names: list[str]) -> dict[str, int]:
    """Instructions for each request, by scenario."""
    with tempfile.TemporaryDirectory(prefix="guard-instructions-") as folder:
        out = Path(folder) / "out"
        valgrind = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", "--dump-before=getloadavg"]
        program = [sys.executable, "-m", "benchmarks.in_memory", *names, "--times", str(TIMES), "--marked"]
        environ = {"PATH": os.environ["PATH"], "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run([*valgrind, *program], cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"the run under valgrind failed:\n{done.stderr[-2000:]}")
        parts = [Path(f"{out}.{2 * number + 2}").read_text() for number in range(len(names))]  # odd ones: before, between
    totals = [re.search(r"^(?:totals|summary): (\d+)", part, re.MULTILINE) for part in parts]
    return {name: round(int(total[1]) / TIMES) for name, total in zip(names, totals, strict=True) if total}


def git(*arguments: str) -> str:
    """What git says; nothing where it says no."""
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def baseline() -> tuple[dict, list[str]]:
    """The counts to compare with, and what commits since give as reasons to be slower."""
    before = git("show", f"HEAD^:{BASELINE}")
    since = git("log", "-1", "--format=%H", "HEAD^", "--", BASELINE)
    reasons = git("log", "--format=%(trailers:key=Slower,valueonly,separator=%x0A)", f"{since}..HEAD" if since else "-1")
    path = ROOT / BASELINE
    text = before or (path.read_text() if path.exists() else "{}")
    return json.loads(text), [line.strip() for line in reasons.splitlines() if line.strip()]


def report(counts: dict[str, int], known: dict[str, int]) -> list[str]:
    """Print the table; the scenarios that became too slow."""
    slower = []
    print(f"{'':12}{'instructions':>14}{'baseline':>12}{'change':>9}")
    for name, count in counts.items():
        before = known.get(name)
        change = count / before - 1 if before else 0.0
        print(f"{name:12}{count:>14,}{f'{before:,}' if before else 'none':>12}{f'{change:+.1%}' if before else '':>9}")
        if change > ALLOWED:
            slower.append(name)
    return slower


def main() -> int:
    """0: within the limit, or not comparable, or explained. 1: slower, and nobody says why."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=", ".join(SCENARIOS))
    parser.add_argument("--write", action="store_true", help=f"write {BASELINE} anew")
    options = parser.parse_args()
    if shutil.which("valgrind") is None:
        print("instructions: not counted, valgrind is missing (on Debian: apt-get install valgrind)")
        return 0
    here, counts = versions(), counted(options.scenarios or list(SCENARIOS))
    known, reasons = baseline()
    slower = report(counts, known.get("instructions", {}))
    if options.write:
        (ROOT / BASELINE).write_text(json.dumps({"versions": here, "instructions": counts}, indent=2) + "\n")
    if known and known["versions"] != here:
        print(f"not comparable: the baseline was counted with {known['versions']}, this with {here}")
        return 0
    if not slower:
        return 0
    for reason in reasons:
        print(f"slower, and said why: {reason}")
    if not reasons:
        print(f"more than {ALLOWED:.0%} slower: {', '.join(slower)}. Say why in the commit's message: Slower: REASON")
    return int(not reasons)


if __name__ == "__main__":
    sys.exit(main())
