"""A page that stands alone: what failed and what to do first, then figures and plots, then every check."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, Final

from guard.kit.rehearse.figures import ms, share
from guard.kit.rehearse.forms import plots
from guard.kit.rehearse.forms.grouped import Finding, findings

CSS: Final = Path(__file__).parent / "page.css"
WORDS: Final = {"pass": "held", "fail": "failed", "note": "note", "skip": "not tried"}
KINDS: Final = {"steady": "steady", "rate": "expected rate", "burst": "bursts", "soak": "soak"}
MIB: Final = 1 << 20


def html(document: Mapping[str, Any]) -> str:
    """The whole page."""
    result = document["result"]
    failed, noted = findings(result["parts"], ("fail",)), findings(result["parts"], ("note",))
    body = [_head(document), _tiles(document)]
    if failed:
        body.append("<h2>What failed, and what to do</h2>" + _cards(failed))
    load = next((part for part in result["parts"] if part["figures"].get("phases")), None)
    if load is not None:
        body.append(_load(load, result["targets"]))
    if noted:
        body.append("<h2>Worth knowing</h2>" + _cards(noted))
    body.append("<h2>Every check</h2>" + "".join(_part(part) for part in result["parts"]))
    body.append(
        f"<footer>guard {escape(document['guard'])}, seed {result['seed']}. Classes, fields and codes only: no value that "
        "was sent is on this page.</footer>"
    )
    title = escape(f"Rehearsal of {document['service']}")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{title}</title><style>{CSS.read_text(encoding='utf-8')}</style></head>\n"
        f"<body><main>{''.join(body)}</main></body></html>\n"
    )


def _head(document: Mapping[str, Any]) -> str:
    result = document["result"]
    verdict, kind = "Everything as promised", "pass"
    if result["interrupted"]:
        verdict, kind = "Interrupted: this is not the whole rehearsal", "fail"
    elif not document["passed"]:
        count = sum(check["result"] == "fail" for part in result["parts"] for check in part["checks"])
        verdict, kind = (
            f"Not as promised: {count} {'check' if count == 1 else 'checks'} failed" if count else "Not ended",
            "fail",
        )
    facts = {
        "When": document["at"].replace("T", " ").replace("Z", " UTC"),
        "Took": f"{result['seconds']:.0f} s",
        "Against": "a guard of its own" if result["own_guard"] else "a running guard",
        "Environment": document["environment"] or "none named",
        "Policy": document["policy_digest"][:19],
        "Release": (document["release_digest"] or "none declared")[:19],
    }
    told = "".join(f"<span>{escape(name)} <b>{escape(value)}</b></span>" for name, value in facts.items())
    return (
        f'<header><h1>Rehearsal of {escape(document["service"])}</h1><p class="verdict {kind}">{escape(verdict)}</p>'
        f'<div class="facts">{told}</div></header>'
    )


def _tiles(document: Mapping[str, Any]) -> str:
    result = document["result"]
    at, targets = result["measured"], result["targets"]
    requests = sum(part["figures"].get("requests", 0) for part in result["parts"])
    made = [_tile("Requests", f"{requests:,}", f"{len(result['routes'])} route{'s' * (len(result['routes']) != 1)}", None)]
    if at["latency_p95"] is not None:
        limit = targets.get("latency_p95")
        under = f"p95 target {ms(limit)}" if limit else "no target declared"
        made.append(_tile("Latency p95", ms(at["latency_p95"]), under, limit is not None and at["latency_p95"] > limit))
        limit = targets.get("error_rate")
        under = f"target {share(limit)}" if limit is not None else "no target declared"
        made.append(_tile("Errors", share(at["error_rate"]), under, limit is not None and at["error_rate"] > limit))
        limit = targets.get("model_share")
        under = f"target {share(limit)}" if limit is not None else "no target declared"
        missed = limit is not None and at["model_share"] < limit
        made.append(_tile("By the model", share(at["model_share"]), under, missed))
        limit = targets.get("expected_rate")
        under = f"expected {limit:g} /s" if limit else "no rate declared"
        made.append(_tile("Answers a second", f"{at['rate']:.3g}", under, limit is not None and at["rate"] < limit * 0.95))
    return f'<div class="tiles">{"".join(made)}</div>'


def _tile(name: str, value: str, under: str, missed: bool | None) -> str:  # noqa: FBT001
    kind = " fail" if missed else ""
    return (
        f'<div class="tile{kind}"><div class="name">{escape(name)}</div><div class="value">{escape(value)}</div>'
        f'<div class="under">{escape(under)}</div></div>'
    )


def _cards(found: Sequence[Finding]) -> str:
    return f'<div class="cards">{"".join(_card(one) for one in found)}</div>'


def _card(found: Finding) -> str:
    kind = " note" if found.result == "note" else ""
    where = " · ".join(one for one in (found.route, found.share) if one)
    rows = [
        ("Fields", found.named, ' class="mono"'), ("Sent", "; ".join(found.sent[:4]), ""),
        ("Expected", found.expected, ""), ("Got", found.got, ""), ("Do", found.todo, ""),
    ]  # fmt: skip
    told = "".join(f"<dt>{name}</dt><dd{kind_}>{escape(words)}</dd>" for name, words, kind_ in rows if words)
    return (
        f'<section class="card{kind}"><div class="where">{escape(found.part)}</div><h3>{escape(_sentence(found.name))}</h3>'
        f'<div class="where mono">{escape(where)}</div><dl>{told}</dl></section>'
    )


def _load(part: Mapping[str, Any], targets: Mapping[str, float]) -> str:
    phases = part["figures"]["phases"]
    steps = [one for one in phases if one["kind"] == "steady"]
    names = [str(one["clients"]) for one in steps]
    made = []
    if steps:
        series = [
            plots.Line(name, [(index, one[name] * 1e3) for index, one in enumerate(steps) if one[name] is not None])
            for name in ("p50", "p95", "p99")
        ]
        limit = targets.get("latency_p95")
        mark = (f"p95 target {ms(limit)}", limit * 1e3) if limit is not None else None
        made.append(plots.lines("Latency with more clients", "ms", "clients at once", series, names, mark))
        rate = targets.get("expected_rate")
        mark = (f"expected {rate:g} /s", rate) if rate is not None else None
        rates = [(str(one["clients"]), one["rate"]) for one in steps]
        made.append(plots.bars("Answers with more clients", "a second", "clients at once", rates, mark))
    rows = [
        (f"{one['clients']} clients" if one["kind"] == "steady" else KINDS[one["kind"]], one["answers"]) for one in phases
    ]
    made.append(plots.sources("Who answered", [("1 client" if name == "1 clients" else name, row) for name, row in rows]))
    memory = part["figures"].get("memory", {})
    lines = [plots.Line(name, [(at, size / MIB) for at, size in samples]) for name, samples in memory.items()]
    if lines:
        made.append(plots.lines("Memory", "MiB", "requests so far", lines))
    return f'<h2>Under load</h2><div class="plots">{"".join(made)}</div>{_table(phases)}'


def _table(phases: Sequence[Mapping[str, Any]]) -> str:
    rows = []
    for one in phases:
        times = [ms(one[name]) if one[name] is not None else "–" for name in ("p50", "p95", "p99")]
        cells = [f"{one['requests']:,}", f"{one['rate']:.1f}", *times, share(one["error_rate"]), share(one["model_share"])]
        numbers = "".join(f'<td class="number">{escape(cell)}</td>' for cell in cells)
        rows.append(f'<tr><td>{KINDS[one["kind"]]}</td><td class="number">{one["clients"] or "–"}</td>{numbers}</tr>')
    heads = ("clients", "requests", "answers/s", "p50", "p95", "p99", "errors", "by the model")
    head = "".join(f'<th class="number">{name}</th>' for name in heads)
    return (
        '<details style="margin-top:1.25rem"><summary><h3>The same in numbers</h3></summary><div class="scroll"><table>'
        f"<thead><tr><th>load</th>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div></details>"
    )


def _part(part: Mapping[str, Any]) -> str:
    results = [check["result"] for check in part["checks"]]
    kind = "fail" if "fail" in results or not part["complete"] else "pass" if {"pass", "note"} & set(results) else "skip"
    counts = ", ".join(f"{results.count(one)} {WORDS[one]}" for one in WORDS if one in results) or "nothing to hold"
    requests = counted(part["figures"].get("requests", 0))
    ended = "" if part["complete"] else ", not to its end"
    rows = "".join(_row(check) for check in part["checks"])
    told = f"{counts}{requests}{ended}, {part['seconds']:.1f} s"
    return (
        f'<details{" open" if kind == "fail" else ""}><summary><span class="badge {kind}">{WORDS[kind]}</span>'
        f'<h3>{escape(part["title"])}</h3><span class="quiet">{told}</span></summary>'
        f'<div class="scroll"><table class="checks"><tbody>{rows}</tbody></table></div></details>'
    )


def _row(check: Mapping[str, Any]) -> str:
    said = next(_said(check), "")
    tried = f"{check['tried']:,}" if check["tried"] else ""
    route = f'<div class="quiet mono">{escape(check["route"])}</div>' if check["route"] else ""
    return (
        f'<tr><td><span class="badge {check["result"]}">{WORDS[check["result"]]}</span></td>'
        f"<td>{escape(_sentence(check['name']))}{route}</td><td>{escape(said)}</td>"
        f'<td class="number quiet">{tried}</td></tr>'
    )


def _said(check: Mapping[str, Any]) -> Iterator[str]:
    """What is most worth saying of a check in a line."""
    if check["result"] == "fail":
        yield check["got"]
    if check["result"] in {"skip", "note"}:
        yield check["todo"]
    if check["got"]:
        yield check["got"]


def counted(requests: int) -> str:
    """So many requests, as the end of a list; nothing of none."""
    return f", {requests:,} request{'s' * (requests != 1)}" if requests else ""


def _sentence(text: str) -> str:
    name = text.startswith("targets.") or text.endswith(".json")
    return text if name else text[:1].upper() + text[1:]
