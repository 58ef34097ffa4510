"""The result of a rehearsal as a document, which evidence saves, scripts read and the forms of the report show.

It names classes, fields and codes. No value that was sent is in it, and of the team's examples only the files' names.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from guard.kit.rehearse.stage import Stage
from guard.kit.rehearse.values import Part

PHASES: Final = "phases"


def result(stage: Stage, parts: Sequence[Part], *, interrupted: bool) -> dict[str, Any]:
    """The `result` of rehearse evidence (docs/rehearse.schema.json)."""
    return {
        "seconds": round(stage.clock() - stage.began, 2),
        "seed": stage.options.seed,
        "quick": stage.options.quick,
        "own_guard": stage.own,
        "interrupted": interrupted,
        "routes": [{"route": subject.key, "works": subject.works} for subject in stage.subjects],
        "targets": _targets(stage),
        "measured": _measured(parts),
        "parts": [_part(part) for part in parts],
    }


def passed(parts: Sequence[Part], *, interrupted: bool) -> bool:
    """Whether everything held."""
    return not interrupted and bool(parts) and all(part.passed for part in parts)


def _part(part: Part) -> dict[str, Any]:
    return {
        "name": part.name,
        "title": part.title,
        "passed": part.passed,
        "complete": part.complete,
        "seconds": round(part.seconds, 2),
        "checks": [asdict(check) for check in part.checks],
        "figures": rounded(part.figures),
    }


def _targets(stage: Stage) -> dict[str, float]:
    targets = stage.loaded.policy.targets
    names = ("latency_p95", "error_rate", "availability", "model_share", "expected_rate")
    return {name: float(value) for name in names if (value := getattr(targets, name)) is not None}


def _measured(parts: Sequence[Part]) -> dict[str, Any]:
    """Figures at the load that the targets apply to; null: not measured."""
    at = next((part.figures["held"] for part in parts if "held" in part.figures), None)
    if at is None or not at["requests"]:
        return {"requests": 0, "latency_p95": None, "error_rate": None, "rate": None}
    chosen = {name: at[name] for name in ("requests", "error_rate", "availability", "model_share", "rate")}
    measured: dict[str, Any] = rounded(
        {**chosen, "latency_p50": at["p50"], "latency_p95": at["p95"], "latency_p99": at["p99"]}
    )
    return measured


def rounded(value: Any) -> Any:
    """Numbers with as many digits as were measured."""
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, dict):
        return {name: rounded(item) for name, item in value.items()}
    return [rounded(item) for item in value] if isinstance(value, list | tuple) else value
