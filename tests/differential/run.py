"""guard beside Envoy: the same bytes to both, and docs/differences-from-envoy.md from what came of it.

`python -m tests.differential.run` compares; `--write` writes the page; `--only WORD` runs the cases whose name has the
word and shows all of them, the equal ones too; `--raw` shows the bytes the upstream got. The exit is 1 where a difference
has no `why`, where a `why` explains no difference, and where `--write` is absent and the page is not what it should be.
"""

import argparse
import asyncio
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from tests.differential import report
from tests.differential.case import Case, get
from tests.differential.client import converse
from tests.differential.corpus import CASES
from tests.differential.observe import Seen, described, seen
from tests.differential.proxies import ENVOY, GUARD, NAMES, ROOT, running, versions
from tests.differential.recorder import Recorder, Scene

PAGE = ROOT / "docs" / "differences-from-envoy.md"


async def through(port: int, recorder: Recorder, case: Case) -> tuple[Seen, Scene]:
    """One case through one proxy."""
    await recorder.forget()
    if case.warm:
        recorder.scene = Scene()
        await converse(port, Case("warm", get()))
    recorder.scene = scene = Scene(case.answer)
    heard = await converse(port, case)
    await recorder.settled()
    return seen(case, heard, scene, recorder.port), scene


async def play(cases: list[Case], *, raw: bool) -> dict[str, list[Seen]]:
    """Every case through all proxies, which run side by side; the cases follow each other."""
    recorders = {name: Recorder() for name in NAMES}
    results: dict[str, list[Seen]] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="guard-differential-")))
        for recorder in recorders.values():
            await recorder.start()
        ports = {name: stack.enter_context(running(name, folder, recorders[name].port)) for name in NAMES}
        for case in cases:
            pairs = await asyncio.gather(*(through(ports[name], recorders[name], case) for name in NAMES))
            results[case.name] = [pair for pair, _ in pairs]
            for name, (_, scene) in zip(NAMES, pairs, strict=True):
                for bytes_ in scene.raw if raw else ():
                    print(f"{case.name} | {name} | {bytes_!r}")
        for recorder in recorders.values():
            await recorder.stop()
    return results


def differences(cases: list[Case], results: dict[str, list[Seen]]) -> list[Case]:
    """The cases in which guard is not like Envoy as it comes."""
    at, beside = NAMES.index(GUARD), NAMES.index(ENVOY)
    return [case for case in cases if results[case.name][at] != results[case.name][beside]]


def unexplained(cases: list[Case], found: list[Case], results: dict[str, list[Seen]]) -> list[str]:
    """Differences without a reason, and reasons without a difference."""
    wrong = []
    for case in cases:
        account = " | ".join(described(results[case.name]))
        if case in found and not case.why:
            wrong.append(f"no why: {case.name}: {account}")
        if case not in found and case.why:
            wrong.append(f"a why, but no difference any more: {case.name}: {account}")
    return wrong


def main() -> int:
    """Compare, report, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.relative_to(ROOT)}")
    parser.add_argument("--only", metavar="WORD", help="only the cases whose name has it")
    parser.add_argument("--raw", action="store_true", help="show the bytes that the upstream got")
    options = parser.parse_args()
    cases = [case for case in CASES if options.only is None or options.only in case.name]
    results = asyncio.run(play(cases, raw=options.raw))
    found = differences(cases, results)
    if options.only is not None:
        for case in cases:
            print(f"{'≠' if case in found else '='} {case.name}: {' | '.join(described(results[case.name]))}")
    wrong = unexplained(cases, found, results)
    page = report.page(found, results, versions(), len(cases))
    if options.only is None and options.write and not wrong:
        PAGE.write_text(page)
    elif options.only is None and not wrong and PAGE.read_text() != page:
        wrong.append(f"{PAGE.relative_to(ROOT)} is not what was seen: make differential")
    for line in wrong:
        print(line, file=sys.stderr)
    print(f"{len(cases)} cases, {len(found)} differences", file=sys.stderr)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
