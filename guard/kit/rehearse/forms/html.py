"""A page that stands alone: what failed and what to do first, then figures and plots, then every check."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from guard.kit.pages import page
from guard.kit.rehearse.figures import ms, share
from guard.kit.rehearse.forms import plots
from guard.kit.rehearse.forms.grouped import findings

WORDS: Final = {"pass": "held", "fail": "failed", "note": "note", "skip": "not tried"}
KINDS: Final = {"steady": "steady", "rate": "expected rate", "burst": "bursts", "soak": "soak"}
MIB: Final = 1 << 20


def html(document: Mapping[str, Any]) -> str:
    """The whole page."""
    result = document["result"]
    load = next((part for part in result["parts"] if part["figures"].get("phases")), None)
    return page(
        "rehearsal.html.j2",
        document=document,
        verdict=_verdict(document),
        facts=_facts(document),
        tiles=list(_tiles(result)),
        failed=findings(result["parts"], ("fail",)),
        noted=findings(result["parts"], ("note",)),
        plots=list(_plots(load, result["targets"])) if load is not None else [],
        phases=list(map(_phase, load["figures"]["phases"])) if load is not None else [],
        parts=list(map(_part, result["parts"])),
        words=WORDS,
    )


def _verdict(document: Mapping[str, Any]) -> Mapping[str, str]:
    if document["result"]["interrupted"]:
        return {"text": "Interrupted: the rehearsal is incomplete", "kind": "fail"}
    if document["passed"]:
        return {"text": "All checks passed", "kind": "pass"}
    count = sum(check["result"] == "fail" for part in document["result"]["parts"] for check in part["checks"])
    text = f"{count} {'check' if count == 1 else 'checks'} failed" if count else "Not ended"
    return {"text": text, "kind": "fail"}


def _facts(document: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
    result = document["result"]
    return (
        ("When", document["at"].replace("T", " ").replace("Z", " UTC")),
        ("Took", f"{result['seconds']:.0f} s"),
        ("Against", "a guard of its own" if result["own_guard"] else "a running guard"),
        ("Environment", document["environment"] or "none named"),
        ("Policy", document["policy_digest"][:19]),
        ("Release", (document["release_digest"] or "none declared")[:19]),
    )


def _tiles(result: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    at, targets = result["measured"], result["targets"]
    requests = sum(part["figures"].get("requests", 0) for part in result["parts"])
    routes = len(result["routes"])
    yield _tile("Requests", f"{requests:,}", f"{routes} route{'s' * (routes != 1)}")
    if at["latency_p95"] is None:
        return
    limit, none = targets.get("latency_p95"), "no declared target"
    under = f"p95 target {ms(limit)}" if limit else none
    yield _tile("Latency p95", ms(at["latency_p95"]), under, missed=limit is not None and at["latency_p95"] > limit)
    limit = targets.get("error_rate")
    under = f"target {share(limit)}" if limit is not None else none
    yield _tile("Errors", share(at["error_rate"]), under, missed=limit is not None and at["error_rate"] > limit)
    limit = targets.get("model_share")
    under = f"target {share(limit)}" if limit is not None else none
    yield _tile("By the model", share(at["model_share"]), under, missed=limit is not None and at["model_share"] < limit)
    limit = targets.get("expected_rate")
    under = f"expected {limit:g} /s" if limit else "no rate declared"
    missed = limit is not None and at["rate"] < limit * 0.95
    yield _tile("Answers a second", f"{at['rate']:.3g}", under, missed=missed)


def _tile(name: str, value: str, under: str, *, missed: bool = False) -> Mapping[str, Any]:
    return {"name": name, "value": value, "under": under, "missed": missed}


def _plots(part: Mapping[str, Any], targets: Mapping[str, float]) -> Iterator[plots.Plot]:
    phases = part["figures"]["phases"]
    steps = [phase for phase in phases if phase["kind"] == "steady"]
    names = [str(step["clients"]) for step in steps]
    if steps:
        series = [
            plots.Line(name, [(index, step[name] * 1e3) for index, step in enumerate(steps) if step[name] is not None])
            for name in ("p50", "p95", "p99")
        ]
        limit = targets.get("latency_p95")
        mark = (f"p95 target {ms(limit)}", limit * 1e3) if limit is not None else None
        yield plots.lines("Latency with more clients", "ms", "clients at once", series, names, mark)
        rate = targets.get("expected_rate")
        mark = (f"expected {rate:g} /s", rate) if rate is not None else None
        rates = [(str(step["clients"]), step["rate"]) for step in steps]
        yield plots.bars("Answers with more clients", "a second", "clients at once", rates, mark)
    yield plots.sources("Who answered", [(_phase_name(phase), phase["answers"]) for phase in phases])
    memory = part["figures"].get("memory", {})
    lines = [plots.Line(name, [(at, size / MIB) for at, size in samples]) for name, samples in memory.items()]
    if lines:
        yield plots.lines("Memory", "MiB", "requests so far", lines)


def _phase_name(phase: Mapping[str, Any]) -> str:
    clients = phase["clients"]
    return f"{clients} client{'s' * (clients != 1)}" if phase["kind"] == "steady" else KINDS[phase["kind"]]


def _phase(phase: Mapping[str, Any]) -> tuple[str, Sequence[str]]:
    times = [ms(phase[name]) if phase[name] is not None else "–" for name in ("p50", "p95", "p99")]
    cells = [str(phase["clients"] or "–"), f"{phase['requests']:,}", f"{phase['rate']:.1f}", *times]
    return KINDS[phase["kind"]], [*cells, share(phase["error_rate"]), share(phase["model_share"])]


def _part(part: Mapping[str, Any]) -> Mapping[str, Any]:
    results = [check["result"] for check in part["checks"]]
    kind = "fail" if "fail" in results or not part["complete"] else "pass" if {"pass", "note"} & set(results) else "skip"
    counts = ", ".join(f"{results.count(item)} {WORDS[item]}" for item in WORDS if item in results) or "no checks"
    ended = "" if part["complete"] else ", not to its end"
    summary = f"{counts}{counted(part['figures'].get('requests', 0))}{ended}, {part['seconds']:.1f} s"
    checks = [{**check, "said": next(_comparison(check), "")} for check in part["checks"]]
    return {"title": part["title"], "kind": kind, "told": summary, "checks": checks}


def _comparison(check: Mapping[str, Any]) -> Iterator[str]:
    """The most important fact of a check in one line."""
    if check["result"] == "fail":
        yield check["got"]
    if check["result"] in {"skip", "note"}:
        yield check["todo"]
    if check["got"]:
        yield check["got"]


def counted(requests: int) -> str:
    """So many requests, as the end of a list; nothing of none."""
    return f", {requests:,} request{'s' * (requests != 1)}" if requests else ""
