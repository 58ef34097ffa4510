"""The result of an evaluation: for JSON and evidence, and as text for people."""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from guard.kit.candidate.compare import MOST_CODES, Arm

if TYPE_CHECKING:
    from guard.kit.candidate.evaluate import Evaluation


def document(result: "Evaluation", data: Mapping[str, Any]) -> dict[str, Any]:
    """The result that evidence keeps. No value of a row is in it but the names of segments."""
    whole = result.comparisons[""]
    return {
        "verdict": result.verdict,
        "route": result.route,
        "data": {name: value for name, value in data.items() if value is not None},
        "rows": result.rows,
        "refused": dict(result.refused.most_common(MOST_CODES)),
        "rows_without_segment": result.left_out,
        "baseline": _arm(whole.baseline),
        "candidate": _arm(whole.candidate),
        "pairs": [pair.document() for pair in result.pairs],
        "targets": [target.document() for target in result.targets],
    }


def _arm(arm: Arm) -> dict[str, Any]:
    metrics = {
        name: {"value": round(metric.value, 6), "low": round(metric.low, 6), "high": round(metric.high, 6)}
        for name, metric in arm.measured().items()
    }
    codes = dict(arm.codes.most_common(MOST_CODES))
    latency = {name: round(arm.quantile(share), 6) for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))}
    return {"metrics": metrics, "codes": codes, "seconds": latency}


def line(document: Mapping[str, Any]) -> str:
    """The result in one line."""
    failed = [pair["metric"] for pair in document["pairs"] if pair["verdict"] == "fail"]
    failed += [target["name"] for target in document["targets"] if target["verdict"] == "fail"]
    open_ = [pair["metric"] for pair in document["pairs"] if pair["verdict"] == "inconclusive"]
    open_ += [target["name"] for target in document["targets"] if target["verdict"] == "inconclusive"]
    parts = [f"{document['rows']} rows"]
    if failed:
        parts.append("worse: " + ", ".join(dict.fromkeys(failed)))
    if open_:
        parts.append("not proven: " + ", ".join(dict.fromkeys(open_)))
    return "; ".join(parts)


def as_json(document: Mapping[str, Any], notes: Sequence[str]) -> str:
    """The result for scripts."""
    return json.dumps({**document, "notes": list(notes)}, indent=2)


def text(document: Mapping[str, Any], notes: Sequence[str]) -> str:
    """The result for people."""
    lines = [f"{document['route']}: {document['verdict']}: {line(document)}"]
    for code, count in document["refused"].items():
        lines.append(f"  {count} rows were not asked: the contract denies them ({code})")
    names = dict.fromkeys((*document["baseline"]["metrics"], *document["candidate"]["metrics"]))
    if names:
        lines.append(f"  {'':12} {'baseline':26} candidate")
    for name in names:
        first, second = (_shown(document[arm]["metrics"].get(name)) for arm in ("baseline", "candidate"))
        lines.append(f"  {name:12} {first:26} {second}")
    seconds = [document[arm]["seconds"]["p95"] * 1e3 for arm in ("baseline", "candidate")]
    lines.append(f"  {'p95, ms':12} {seconds[0]:<26.1f} {seconds[1]:.1f}")
    for pair in document["pairs"]:
        if pair["segment"] and pair["verdict"] == "pass":
            continue
        tolerated = "" if pair["tolerated"] is None else f", {pair['tolerated']:.2%} is tolerated"
        where = f" where {pair['segment']}" if pair["segment"] else ""
        lines.append(
            f"  {pair['verdict']:12} {pair['metric']}{where}: worse {pair['worse']}, better {pair['better']}, same "
            f"{pair['same']}; difference {pair['low']:+.2%} to {pair['high']:+.2%}{tolerated}"
        )
    for target in document["targets"]:
        value = "not measured" if target["value"] is None else f"{target['value']:.4g}"
        lines.append(f"  {target['verdict']:12} {target['name']} {value}, the target is {target['target']:g}")
    for arm in ("baseline", "candidate"):
        lines += [f"  {count} answers of the {arm}: {code}" for code, count in document[arm]["codes"].items()]
    return "\n".join([*lines, *(f"  note: {note}" for note in notes)])


def _shown(metric: Mapping[str, float] | None) -> str:
    return "-" if metric is None else f"{metric['value']:.4f} ({metric['low']:.4f} to {metric['high']:.4f})"
