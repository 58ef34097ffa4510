"""For the terminal: what failed in full, what held in a line."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

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
        lines += ["", "What differs from the team's examples (shown here, and kept nowhere):"]
        lines += [f"  {line}" for line in private]
    failed = sum(check["result"] == "fail" for part in result["parts"] for check in part["checks"])
    tried = sum(check["result"] in {"pass", "fail"} for part in result["parts"] for check in part["checks"])
    lines.append("")
    if document["passed"]:
        lines.append(f"everything as promised: {tried} checks")
    else:
        lines.append(f"NOT AS PROMISED: {failed} of {tried} checks" + ("; interrupted" if result["interrupted"] else ""))
    return "\n".join(lines)


def _part(part: Mapping[str, Any]) -> Iterator[str]:
    checks = part["checks"]
    results = {name: sum(check["result"] == name for check in checks) for name in MARKS}
    mark = MARKS["fail"] if results["fail"] else MARKS["pass"] if results["pass"] or results["note"] else MARKS["skip"]
    requests = f", {part['figures']['requests']} requests" if part["figures"].get("requests") else ""
    ended = "" if part["complete"] else ", not to its end"
    words = ", ".join(f"{count} {word}" for word, count in (
        ("held", results["pass"]), ("failed", results["fail"]), ("noted", results["note"]), ("not tried", results["skip"]),
    ) if count)  # fmt: skip
    yield f"  {mark:5} {part['title']:26} {words or 'nothing'}{requests}{ended}"
    for check in checks:
        if check["result"] != "pass":
            yield from _check(check)


def _check(check: Mapping[str, Any]) -> Iterator[str]:
    where = f" ({check['route']})" if check["route"] else ""
    count = f", {check['failed']} of {check['tried']}" if check["failed"] and check["tried"] > 1 else ""
    yield f"        {MARKS[check['result']]:5} {check['name']}{where}{count}"
    rows = [
        ("fields", ", ".join(check["fields"][:12]) + (", …" if len(check["fields"]) > 12 else "")),
        ("sent", check["sent"]), ("expected", check["expected"]), ("got", check["got"]), ("do", check["todo"]),
    ]  # fmt: skip
    for name, words in rows:
        if words and (name in {"do", "fields"} or check["result"] == "fail"):
            yield f"              {name:9} {words}"


def phases(found: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The load as a table."""
    yield f"{'load':8} {'clients':>7} {'req/s':>8} {'p50 ms':>8} {'p95 ms':>8} {'p99 ms':>8} {'errors':>8} {'model':>8}"
    for one in found:
        times = [f"{one[name] * 1e3:.1f}" if one[name] is not None else "-" for name in ("p50", "p95", "p99")]
        yield (
            f"{one['kind']:8} {one['clients'] or '-':>7} {one['rate']:>8.1f} {times[0]:>8} {times[1]:>8} {times[2]:>8} "
            f"{one['error_rate']:>8.2%} {one['model_share']:>8.1%}"
        )
