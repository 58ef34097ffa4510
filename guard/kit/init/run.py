"""`guard init`: the draft goes to stdout or a file, what was found along the way to stderr."""

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from guard.kit.init import mlmodel
from guard.kit.init.draft import Draft, SurveyResult, Wanted
from guard.kit.init.probe import Probe, Unreachable
from guard.kit.init.settle import Unsettled, settle
from guard.kit.init.survey import ASKED, survey
from guard.kit.init.words import counted, line
from guard.policy.scalars import Origin


@dataclass(frozen=True, slots=True)
class InitArguments:
    """Options of the command line."""

    upstream: Origin
    models: tuple[str, ...]
    dialect: str
    mlmodel: Path | None
    output: Path | None
    force: bool
    ca: Path | None
    timeout: float


def run(arguments: InitArguments) -> int:
    """0: a draft that `guard serve` accepts. 1: nothing answers there, or nothing that could be declared."""
    if arguments.output is not None and arguments.output.exists() and not arguments.force:
        raise click.UsageError(f"{arguments.output} exists already; --force overwrites it")
    try:
        signature = mlmodel.read(arguments.mlmodel) if arguments.mlmodel is not None else None
        text, draft, took = _drafted(arguments, Wanted(arguments.models, arguments.dialect, signature))
    except Unreachable as error:
        return _failed(f"{arguments.upstream} does not answer: {line(error, 200)}")
    except (mlmodel.NoSignature, Unsettled, _Nothing) as error:
        return _failed(line(error, 300))
    except OSError as error:  # --ca
        return _failed(f"{arguments.ca}: {line(error, 200)}")
    _report(arguments, draft.survey, took)
    if arguments.output is None:
        click.echo(text, nl=False)
        return 0
    return _written(arguments.output, text, force=arguments.force)


class _Nothing(Exception):  # noqa: N818
    """A usage error for a server that no source recognises."""


def _drafted(arguments: InitArguments, wanted: Wanted) -> tuple[str, Draft, str]:
    begun = time.perf_counter()
    with Probe(arguments.upstream, total=arguments.timeout, ca=arguments.ca) as probe:
        probe.ahead(ASKED)
        result = survey(probe, wanted)
        took = f"{counted(probe.requests, 'question')} in {time.perf_counter() - begun:.1f} s"
    if result is None:
        raise _Nothing(_unknown(arguments))
    ca = str(arguments.ca.resolve()) if arguments.ca is not None else ""
    return *settle(Draft(str(arguments.upstream), result, ca)), took


def _unknown(arguments: InitArguments) -> str:
    if arguments.dialect:
        return (
            f"{arguments.upstream} answers, but does not list what it serves as a server of dialect "
            f"{arguments.dialect} does"
        )
    return (
        f"guard does not recognise the server at {arguments.upstream}: no OIP or TensorFlow Serving metadata, no "
        "OpenAPI document, no list of models. give --dialect and --model; TensorFlow Serving needs --model"
    )


def _report(arguments: InitArguments, result: SurveyResult, took: str) -> None:
    """Progress is for people: what it is, what was declared, what was not and why."""
    say = [f"guard: {arguments.upstream} is {line(result.server, 200)} ({took})"]
    for route in result.routes:
        fields = f"{counted(len(route.inputs), 'input')}, {counted(len(route.outputs), 'output')}"
        declared = fields if route.inputs or route.outputs else "nothing declared"
        say.append(f"  {line(route.key, 80):44} {route.dialect:10} {declared}")
    say.append(f"  {counted(len(result.passed), 'route')} passed through unread")
    say += [f"  {line(note, 200)}" for note in result.notes]
    _print(say)


def _print(lines: Sequence[str]) -> None:
    for item in lines:
        click.echo(item, err=True)


def _failed(why: str) -> int:
    sys.stderr.write(f"guard: {why}\n")
    return 1


def _written(path: Path, text: str, *, force: bool) -> int:
    """Write the policy. An existing file stays without --force, and is otherwise replaced in one step."""
    target = path.with_name(f".{path.name}.{os.getpid()}") if force else path
    try:
        with target.open("x", encoding="utf-8") as file:
            file.write(text)
        if force:
            target.replace(path)
    except FileExistsError:
        raise click.UsageError(f"{target} exists already; --force overwrites it") from None
    except OSError as error:
        return _failed(f"cannot write {path}: {error.strerror}")
    _print([f"guard: wrote {path}. Next: guard check {path}, then guard serve {path}"])
    return 0
