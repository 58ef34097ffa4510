"""Writes what each cause says. `python -m tests.errors.golden` makes tests/golden/errors.txt anew."""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from guard.policy.compiling import CompileContext, compile_plan
from guard.policy.errors import PolicyInvalid
from guard.policy.loading import load
from guard.telemetry.environment import read
from tests.errors.cases import COMMANDS, ENVIRONMENTS, HEAD, ONE, POLICIES, route

PAGE = Path(__file__).parents[1] / "golden" / "errors.txt"
_COUNT = re.compile(r"\S+: \d+ mistakes?$")
PASSED = ("PATH", "HOME", "PYTHONPATH", "COVERAGE_PROCESS_START")


def of_policy(text: str, files: dict[str, str], folder: Path) -> list[str]:
    """The errors of a policy, without the folder."""
    path = folder / "policy.yaml"
    path.write_text(text, encoding="utf-8")
    for name, content in files.items():
        (folder / name).write_text(content, encoding="utf-8")
    try:
        compile_plan(load(path, environ={}), CompileContext())
    except PolicyInvalid as invalid:
        return [str(error).replace(f"{folder}/", "") for error in invalid.errors]
    return []


def of_command(arguments: list[str], folder: Path) -> list[str]:
    """The last line that a command says before it ends with an error."""
    for name, text in (("policy.yaml", route("input: {a: {type: number}}")), ("request.json", "{}")):
        (folder / name).write_text(text)
    two = route("input: {a: {type: number}}") + "  POST /q:\n    input: {a: {type: number}}\n"
    (folder / "two.yaml").write_text(two)
    (folder / "empty").mkdir(exist_ok=True)
    environ = {name: os.environ[name] for name in PASSED if name in os.environ}
    run = subprocess.run(
        [sys.executable, "-m", "guard", *arguments], cwd=folder, capture_output=True, text=True, check=False,
        env={**environ, "PYTHONPATH": str(Path(__file__).parents[2]), "COLUMNS": "200", "GUARD_TOKEN": "t"}, timeout=60,
    )  # fmt: skip
    lines = [line for line in (run.stderr or run.stdout).splitlines() if line.strip() and not _COUNT.match(line)]
    return [lines[-1].replace(f"{folder}/", "")] if run.returncode and lines else []


def said(kind: str) -> Iterator[tuple[str, list[str]]]:
    """The causes of a kind, and what each says."""
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary).resolve()
        if kind == "policy":
            for number, (cause, given) in enumerate(POLICIES.items()):
                folder = root / str(number)
                folder.mkdir()
                text, files = given if isinstance(given, tuple) else (given, {})
                yield cause, of_policy(text, files, folder)
        elif kind == "command":
            for cause, arguments in COMMANDS.items():
                yield cause, of_command(arguments, root)
        else:
            for cause, environ in ENVIRONMENTS.items():
                yield cause, read(environ).problems


def given(kind: str, cause: str) -> str:
    """The input of a cause, in one line."""
    if kind == "command":
        return "guard " + " ".join(COMMANDS[cause])
    if kind == "environment":
        return " ".join(f"{name}={value}" for name, value in ENVIRONMENTS[cause].items())
    case = POLICIES[cause]
    text = (
        case
        if isinstance(case, str)
        else "\n".join([case[0], *(f"{name}: {content}" for name, content in case[1].items())])
    )
    shown = text.removeprefix(HEAD).removesuffix(ONE) or text
    line = " ⏎ ".join(shown.strip("\n").split("\n")).replace("\x01", "\\x01").replace("\ufeff", "\\ufeff")
    return line if len(line) <= 200 else line[:200] + " …"


def page(kind: str) -> str:
    """The table of a kind."""
    lines = [f"== {kind}", ""]
    for cause, messages in said(kind):
        lines += [f"-- {cause}", f"   {given(kind, cause)}", *(f"   => {message}" for message in messages), ""]
    return "\n".join(lines)


def main() -> None:
    """Write the page."""
    PAGE.write_text("\n".join(page(kind) for kind in ("policy", "command", "environment")), encoding="utf-8")


if __name__ == "__main__":
    main()
