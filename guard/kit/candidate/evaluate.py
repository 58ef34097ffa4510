"""`guard release evaluate`: labelled rows through both model servers, compared row by row.

The servers are asked, not the model's file: what is measured is what clients get, preprocessing and thresholds included.
Each row is one pair. The result is evidence; with `record`, the candidate's record gets its metrics too.
"""

import hashlib
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from math import log
from pathlib import Path
from typing import Any, Final

import click

from guard.candidate.evidence import FALSE_ALARM, FALSE_PASS
from guard.kit import evidence
from guard.kit.candidate import declared, history, record, report
from guard.kit.candidate.asking import RowAsker, RowRefused
from guard.kit.candidate.compare import MOST_SEGMENTS, PAIRED, Comparison, PairedResult, Verdict, judged
from guard.kit.candidate.rows import as_label, read
from guard.kit.candidate.targets import TargetResult, held
from guard.kit.files import open_regular
from guard.kit.rehearse.client import Client
from guard.kit.rehearse.progress import Progress
from guard.policy.compiled import CompiledPlan
from guard.policy.loading import Loaded
from guard.policy.route import Route as Declared
from guard.proxy.values import Route

CODES: Final[Mapping[Verdict, int]] = {"pass": 0, "fail": 1, "inconclusive": 3}


@dataclass(frozen=True, slots=True)
class EvaluateOptions:
    """Options of the command line. What is None has a default of the policy's."""

    candidate: str | None = None
    baseline: str | None = None
    route: str | None = None
    truth: str | None = None
    label: str | None = None
    score: str | None = None
    positive: str | None = None
    segments: tuple[str, ...] = ()
    tolerances: Mapping[str, float] = field(default_factory=dict)
    slow_over: float | None = None
    dataset: str | None = None
    record: Path | None = None
    as_json: bool = False


def with_defaults(loaded: Loaded, options: EvaluateOptions) -> EvaluateOptions:
    """The options, with what the policy's `candidate` declares where nothing was given. Raises click.UsageError.

    Only gates that rows can decide are taken: disagreement between the models is no mistake where the truth is known.
    """
    if loaded.policy.candidate is None:
        if options.candidate is None:
            raise click.UsageError("give --candidate URL; the policy declares no candidate")
        return options
    own = loaded.policy.candidate
    compared = own.compare.get(options.route) if options.route is not None else None
    if compared is None and len(own.compare) == 1 and options.route is None:
        compared = next(iter(own.compare.values()))
    gates = declared.tolerances(compared) if compared is not None else {}
    slow = compared.slow.over if compared is not None and compared.slow is not None else None
    label = compared.label.field if compared is not None and compared.label is not None else None
    score = compared.score.field if compared is not None and compared.score is not None else None
    return replace(
        options,
        candidate=options.candidate or declared.url(own),
        tolerances={**{name: gates[name] for name in PAIRED if name in gates}, **options.tolerances},
        slow_over=options.slow_over if options.slow_over is not None else slow,
        label=options.label or label,
        score=options.score or score,
        record=options.record or declared.record(loaded),
    )


@dataclass(slots=True)
class Evaluation:
    """The result of all rows."""

    route: str
    comparisons: dict[str, Comparison]
    rows: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    pairs: list[PairedResult] = field(default_factory=list)
    targets: list[TargetResult] = field(default_factory=list)
    left_out: int = 0
    """Rows of segments beyond the most that are kept."""

    @property
    def verdict(self) -> Verdict:
        """The worst of all: a failure, then what is not proven yet."""
        verdicts = {pair.verdict for pair in self.pairs} | {target.verdict for target in self.targets}
        if "fail" in verdicts:
            return "fail"
        return "inconclusive" if "inconclusive" in verdicts or not self.rows else "pass"


def run(policy: Path, loaded: Loaded, plan: CompiledPlan, rows: Path, options: EvaluateOptions) -> int:
    """0: it passes. 1: it fails. 3: inconclusive. Raises click's errors for what cannot be read."""
    key, contract, route = chosen(loaded, plan, options.route)
    label, score = outputs(contract, options)
    if label is None:
        raise click.UsageError(f"give --label, the output of {key} that holds the label; expected one of its outputs")
    digest = _digest(rows)
    asker = RowAsker(key, contract, route, label, score)
    result = Evaluation(key, {"": Comparison(options.slow_over, _positive(contract, label, options))})
    within = contract.timeout.attempt + 1.0
    baseline, candidate = options.baseline or str(loaded.policy.upstream.url), options.candidate or ""
    progress = Progress(None if options.as_json else sys.stderr, "evaluate")
    with (
        Client(baseline, verify=True, within=within) as first,
        Client(candidate, verify=True, within=within) as second,
    ):
        progress.begin(f"{rows.name}: {baseline} against {candidate}")
        for row in read(rows, contract.inputs, options.truth or label):
            result.rows += _row(asker, row.instance, row.truth, (first, second), result, options)
            progress.at(0.0, f"{result.rows} rows")
    progress.clear()
    _judge(result, loaded, contract, score, options)
    now = datetime.now(UTC)  # noqa: TID251 — the edge of this command
    document = report.document(result, {"file": rows.name, "digest": digest, "data_set": options.dataset})
    notes = _keep(policy, loaded, document, result, options, now)
    click.echo(report.as_json(document, notes) if options.as_json else report.text(document, notes))
    return CODES[result.verdict]


def chosen(loaded: Loaded, plan: CompiledPlan, wanted: str | None) -> tuple[str, Declared, Route]:
    """The route by its key, as declared and compiled. Raises click.UsageError."""
    fields = {key: route for key, route in loaded.policy.routes.items() if isinstance(route, Declared) and route.inputs}
    if wanted is None and len(fields) != 1:
        raise click.UsageError(f"give --route; routes that declare fields are {', '.join(fields) or 'none'}")
    key = wanted or next(iter(fields))
    if key not in fields:
        raise click.UsageError(f"no route {key!r} that declares fields; expected one of {', '.join(fields) or 'none'}")
    return key, fields[key], next(route for route in plan.routes if route.key == key)


def outputs(contract: Declared, options: EvaluateOptions) -> tuple[str | None, str | None]:
    """The outputs with the label and the score: as given, or the only ones of their kind. Raises click.UsageError."""
    for option, name in (("--label", options.label), ("--score", options.score)):
        if name is not None and name not in contract.outputs:
            raise click.UsageError(f"{option} {name}: no such output; expected one of {', '.join(contract.outputs)}")
    labels = [name for name, output in contract.outputs.items() if output.enum is not None or output.type == "boolean"]
    scores = [
        name
        for name, output in contract.outputs.items()
        if output.type == "number" and output.enum is None and output.min == 0 and output.max == 1
    ]
    return (
        options.label or (labels[0] if len(labels) == 1 else None),
        options.score or (scores[0] if len(scores) == 1 else None),
    )


def _positive(contract: Declared, label: str, options: EvaluateOptions) -> str | None:
    """The label that the score speaks of: as given, true, or 1."""
    if options.positive is not None:
        return options.positive
    output = contract.outputs[label]
    if output.type == "boolean":
        return "true"
    return "1" if output.enum is not None and {as_label(value) for value in output.enum} == {"0", "1"} else None


def _row(
    asker: RowAsker,
    instance: Mapping[str, Any],
    truth: str,
    clients: tuple[Client, Client],
    result: Evaluation,
    options: EvaluateOptions,
) -> int:
    """Ask both about a row, in turns first and second, so that neither always meets the colder machine; 1 if asked."""
    try:
        request = asker.request(instance)
    except RowRefused as refused:
        result.refused[str(refused)] += 1
        return 0
    if result.rows % 2:
        second = asker.ask(clients[1], request)
        first = asker.ask(clients[0], request)
    else:
        first = asker.ask(clients[0], request)
        second = asker.ask(clients[1], request)
    whole = result.comparisons[""]
    whole.add(truth, first, second)
    for name in options.segments:
        segment = f"{name}={as_label(instance.get(name, '(absent)'))}"
        if segment not in result.comparisons and len(result.comparisons) > MOST_SEGMENTS:
            result.left_out += 1
            continue
        result.comparisons.setdefault(segment, Comparison(whole.slow_over, whole.positive)).add(truth, first, second)
    return 1


def _judge(result: Evaluation, loaded: Loaded, contract: Declared, score: str | None, options: EvaluateOptions) -> None:
    tests = len(PAIRED) * len(result.comparisons)
    walls = log(tests / FALSE_ALARM), log(1 / FALSE_PASS)
    result.pairs = list(judged(result.comparisons, options.tolerances, *walls))
    calibration = contract.outputs[score].calibration if score is not None else None
    claimed = calibration.ece if calibration is not None else None
    measured = result.comparisons[""].candidate.measured()
    result.targets = list(held(loaded.policy.targets.quality, claimed, measured))


def _keep(
    policy: Path, loaded: Loaded, document: dict[str, Any], result: Evaluation, options: EvaluateOptions, now: datetime
) -> list[str]:
    """Write the evidence, the record and the history; a note for each that was not written."""
    notes: list[str] = []
    try:
        place = evidence.keep(
            policy, evidence.document(loaded, "evaluate", document, passed=not CODES[result.verdict], at=now)
        )
        kept = history.digest(place.read_bytes())
    except (OSError, ValueError) as error:
        return [f"the evidence is not saved: {error}"]
    version = release = None
    if options.record is not None:
        found = {name: metric.value for name, metric in result.comparisons[""].candidate.measured().items()}
        version, release = record.evaluated(options.record, place, kept, options.dataset, found, now)
    step = history.Step("evaluate", version or "", release, result.verdict, report.line(document), {"evaluate": kept})
    try:
        history.append(policy, step, now)
    except (OSError, history.HistoryBroken) as error:
        notes.append(f"the history is not written: {error}")
    return notes


def _digest(file: Path) -> str:
    try:
        with open(open_regular(file), "rb") as stream:  # noqa: PTH123 — a descriptor
            return history.PREFIX + hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise click.UsageError(f"cannot read {file}: {error.strerror or error}") from None
