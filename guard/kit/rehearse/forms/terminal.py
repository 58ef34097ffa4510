"""The report for the terminal: failed checks in full, passed ones in a line."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from guard.kit.rehearse.forms.grouped import Finding, findings

MARKS: Final = {"pass": "ok", "fail": "FAIL", "note": "note", "skip": "-"}


def terminal(document: Mapping[str, Any], private: Sequence[str]) -> str:
    """The whole report. `private`: what may be shown to whoever asked, and is kept nowhere."""
    result = document["result"]
    lines = [
        f"{document['service']}: {'rehearsed' if not result['interrupted'] else 'INTERRUPTED'}, {result['seconds']:.0f} s"
    ]
    for part in result["parts"]:
        lines += _part(part)
        if part["name"] == "load" and part["figures"].get("phases"):
            lines += [f"        {line}" for line in phases(part["figures"]["phases"])]
    if private:
        lines += ["", "Differences from the team's examples (shown here and saved nowhere):"]
        lines += [f"  {line}" for line in private]
    failed = sum(check["result"] == "fail" for part in result["parts"] for check in part["checks"])
    tried = sum(check["result"] in {"pass", "fail"} for part in result["parts"] for check in part["checks"])
    lines.append("")
    if document["passed"]:
        lines.append(f"all {tried} checks passed")
    elif result["interrupted"]:
        lines.append(f"INTERRUPTED: {failed} of {tried} checks failed so far")
    else:
        lines.append(f"FAILED: {failed} of {tried} checks")
    return "\n".join(lines)


def _part(part: Mapping[str, Any]) -> Iterator[str]:
    checks = part["checks"]
    results = {name: sum(check["result"] == name for check in checks) for name in MARKS}
    mark = MARKS["fail"] if results["fail"] else MARKS["pass"] if results["pass"] or results["note"] else MARKS["skip"]
    count = part["figures"].get("requests", 0)
    requests = f", {count} request{'s' * (count != 1)}" if count else ""
    ended = "" if part["complete"] else ", not to its end"
    words = ", ".join(f"{count} {word}" for word, count in (
        ("held", results["pass"]), ("failed", results["fail"]), ("noted", results["note"]), ("not tried", results["skip"]),
    ) if count)  # fmt: skip
    yield f"  {mark:5} {part['title']:26} {words or 'nothing'}{requests}{ended}"
    for finding in findings([part], ("fail", "note", "skip")):
        yield from _finding(finding)


def _finding(finding: Finding) -> Iterator[str]:
    where = f" ({finding.route})" if finding.route else ""
    yield f"        {MARKS[finding.result]:5} {finding.name}{where}{', ' * bool(finding.share)}{finding.share}"
    rows = [
        ("fields", finding.named), ("sent", "; ".join(finding.sent[:4])), ("expected", finding.expected),
        ("got", finding.got),
        ("do", finding.todo),
    ]  # fmt: skip
    for name, words in rows:
        if words and (name in {"do", "fields"} or finding.result == "fail"):
            yield f"              {name:9} {words}"


def phases(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The load as a table."""
    yield f"{'load':8} {'clients':>7} {'req/s':>8} {'p50 ms':>8} {'p95 ms':>8} {'p99 ms':>8} {'errors':>8} {'model':>8}"
    for item in rows:
        times = [f"{item[name] * 1e3:.1f}" if item[name] is not None else "-" for name in ("p50", "p95", "p99")]
        yield (
            f"{item['kind']:8} {item['clients'] or '-':>7} {item['rate']:>8.1f} {times[0]:>8} {times[1]:>8} {times[2]:>8} "
            f"{item['error_rate']:>8.2%} {item['model_share']:>8.1%}"
        )
