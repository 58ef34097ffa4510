"""Fuzz one target by coverage: `python fuzz/run.py TARGET --seconds N`; `--replay FILE` runs one input; `--keep` shrinks.

Two corpora: fuzz/corpus/TARGET is kept, small, and checked in; .cache/fuzz-work/TARGET is where a run leaves what it
found new. `--keep` chooses from both the few files that together cover what all of them cover.

A run is a child process, for libFuzzer leaves by exit: the parent then says what was found and how to see it again.
"""

import argparse
import hashlib
import importlib
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)

from fuzz import TARGETS  # noqa: E402
from fuzz.keep import MOST_BYTES, keep  # noqa: E402

CRASHES = ROOT / "fuzz" / "crashes"
WORK = ROOT / ".cache" / "fuzz-work"
INSTRUMENTED = ("guard", "fuzz", "h11", "json")
"""Of the native parsers no coverage is seen; h11 and Python's json beside them lead through the same grammars."""


def main() -> int:
    """Parse the command line and do one of the four."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--replay", type=Path)
    parser.add_argument("--keep", action="store_true", help="write the kept corpus anew from all that was found")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    target: str = arguments.target
    if arguments.replay is not None:
        importlib.import_module(f"fuzz.{target}").check(arguments.replay.read_bytes())
        print("no law is broken")
        return 0
    if arguments.keep:
        print(keep(target, [kept(target), WORK / target], kept(target)))
        return 0
    if arguments.child:
        child(target, arguments.seconds)
    return parent(target, arguments.seconds)


def kept(target: str) -> Path:
    """The corpus that is checked in."""
    return ROOT / "fuzz" / "corpus" / target


def parent(target: str, seconds: int) -> int:
    """Run the child, show its last figures, and name what it left in fuzz/crashes."""
    CRASHES.mkdir(exist_ok=True)
    (WORK / target).mkdir(parents=True, exist_ok=True)
    before = set(CRASHES.glob(f"{target}-*"))
    log = WORK / f"{target}.log"
    print(f"{target}: {seconds} s …", flush=True)
    with log.open("wb") as out:
        command = [sys.executable, __file__, target, "--child", "--seconds", str(seconds)]
        code = subprocess.run(command, stdout=out, stderr=subprocess.STDOUT, check=False, cwd=ROOT).returncode
    lines = log.read_text("utf-8", "replace").splitlines()
    figures = [line for line in lines if line.startswith("#") and "cov:" in line]
    print("\n".join(figures[-1:] + [line for line in lines if line.startswith("Done ")]))
    for crash in sorted(set(CRASHES.glob(f"{target}-*")) - before):
        print(f"  a law is broken: python {Path(__file__).relative_to(ROOT)} {target} --replay {crash.relative_to(ROOT)}")
    if code:
        print(f"  exit code {code}; all of it: {log.relative_to(ROOT)}")
    return code


def child(target: str, seconds: int) -> None:
    """Instrument, and hand over to libFuzzer."""
    import atheris  # noqa: PLC0415 — only here: replaying needs none of it

    for name in [name for name in sys.modules if name.partition(".")[0] in INSTRUMENTED]:
        del sys.modules[name]
    with atheris.instrument_imports(include=list(INSTRUMENTED)):
        module = importlib.import_module(f"fuzz.{target}")

    work = WORK / target
    for seed in module.seeds():
        (work / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)
    words = work.parent / f"{target}.dict"
    words.write_text("".join(f'"{_quoted(word)}"\n' for word in module.WORDS))
    options = [f"-max_total_time={seconds}", f"-max_len={2 * MOST_BYTES}", "-timeout=10", "-rss_limit_mb=2048"]
    options += [f"-dict={words}", f"-artifact_prefix={CRASHES}/{target}-", "-print_final_stats=1", "-reload=0"]
    kept(target).mkdir(parents=True, exist_ok=True)
    atheris.Setup([sys.argv[0], *options, str(work), str(kept(target))], module.check)
    atheris.Fuzz()


def _quoted(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)


if __name__ == "__main__":
    os.chdir(ROOT)
    raise SystemExit(main())
