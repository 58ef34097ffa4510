"""Labels from the command line: send a file of them, and show what they say of each model version."""

import csv
import io
import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Final

import click

from guard.cli.answers import printable
from guard.cli.operate import AdminAnswer, Where, ask, failed, find_endpoint

BATCH: Final = 500
MOST_BYTES: Final = 200_000
"""Bytes of a batch; guard reads 256 KiB."""
TRIES: Final = 30
"""Attempts of a batch that guard asks to send again, a second apart."""
PROGRESS: Final = 10_000
KEYS: Final = ("receipt", "row", "label", "at")


class Unreadable(Exception):  # noqa: N818
    """A line that is not a label."""


def send(where: Where, file: Path, begin: int) -> int:
    """Send the labels of a CSV or JSON lines file, from a line on. 1: labels were rejected, or guard stopped taking them.

    Sending a line twice is safe. `begin` counts labels from 1, without a CSV's header.
    """
    endpoint, totals, number = find_endpoint(where), Counter[str](), begin - 1
    rejected: list[str] = []
    try:
        for batch in _batches(_skipped(_lines(file), begin)):
            reply = _delivered(where, endpoint, batch)
            if reply.status != 200:
                click.echo(f"{number} labels are counted; go on with --from {number + 1}", err=True)
                return failed(reply)
            results = [str(each) for each in reply.body.get("results", [])]
            bad = [(number + at, each) for at, each in enumerate(results, 1) if each.startswith(("bad", "unknown"))]
            rejected += [f"label {at}: {printable(each)}" for at, each in bad[: max(0, 10 - len(rejected))]]
            totals.update(results)
            before, number = number, number + len(batch)
            if before // PROGRESS != number // PROGRESS:
                click.echo(f"{number} labels sent", err=True)
    except Unreadable as error:
        click.echo(f"guard: {file}: {error}; {number} labels before it are counted", err=True)
        return 1
    counts = ", ".join(f"{printable(name)} {count}" for name, count in totals.most_common())
    click.echo(f"sent {sum(totals.values())} labels: {counts}")
    for line in rejected:
        click.echo(line, err=True)
    return 1 if rejected else 0


def _delivered(where: Where, endpoint: Any, batch: list[dict[str, Any]]) -> AdminAnswer:
    """Send a batch, again while guard is busy. A batch whose answer was lost is sent again: it counts once."""
    for attempt in range(TRIES):
        reply = ask(endpoint, "POST", "/labels", {"labels": batch}, ca=where.ca)
        if reply.status not in (0, 429) or attempt == TRIES - 1:
            return reply
        time.sleep(1.0)
    raise AssertionError


def _skipped(labels: Iterator[dict[str, Any]], begin: int) -> Iterator[dict[str, Any]]:
    skipped = sum(1 for _ in islice(labels, begin - 1))
    first = next(labels, None)
    if first is None:
        if begin == 1:
            raise Unreadable("has no label; expected CSV with the columns receipt and label, or JSON lines")
        raise Unreadable(f"--from {begin} is beyond its end: it has {skipped} labels")
    yield first
    yield from labels


def _batches(labels: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    batch: list[dict[str, Any]] = []
    size = 0
    for label in labels:
        own = len(json.dumps(label)) + 2
        if batch and (len(batch) >= BATCH or size + own > MOST_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(label)
        size += own
    if batch:
        yield batch


def _lines(file: Path) -> Iterator[dict[str, Any]]:
    """The labels of a file, one after the other. Raises Unreadable."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:
            first = text.readline()
            if not first.strip():
                return
            if first.lstrip().startswith("{"):
                yield from _of_json(first, text)
            else:
                yield from _of_csv(first, text)
    except (OSError, UnicodeDecodeError) as error:
        raise Unreadable(f"cannot be read: {error}") from None


def _of_json(first: str, rest: io.TextIOBase) -> Iterator[dict[str, Any]]:
    yield _label(first, 1)
    for number, line in enumerate(rest, 2):
        if line.strip():
            yield _label(line, number)


def _label(line: str, number: int) -> dict[str, Any]:
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        raise Unreadable(f"line {number} is not JSON") from None
    if not isinstance(document, dict) or not {"receipt", "label"} <= document.keys() <= set(KEYS):
        raise Unreadable(f"line {number} is not a label; expected the members receipt and label, and row and at if known")
    return document


def _of_csv(first: str, rest: io.TextIOBase) -> Iterator[dict[str, Any]]:
    names = next(csv.reader([first]))
    if not {"receipt", "label"} <= set(names):
        raise Unreadable("line 1 does not name the columns; expected receipt and label, and row and at if known")
    try:
        for number, row in enumerate(csv.reader(rest), 2):
            if not row:
                continue
            if len(row) != len(names):
                raise Unreadable(f"line {number} has {len(row)} values and not {len(names)}")
            named = {name: value for name, value in zip(names, row, strict=True) if name in KEYS and value != ""}
            if not {"receipt", "label"} <= named.keys():
                raise Unreadable(f"line {number} has no receipt or no label")
            if "row" in named:
                if not (named["row"].isascii() and named["row"].isdigit()):
                    raise Unreadable(f"line {number}: row is not a number")
                yield {**named, "row": int(named["row"])}
            else:
                yield dict(named)
    except csv.Error as error:
        raise Unreadable(f"is not CSV: {error}") from None


def quality(where: Where, *, as_json: bool) -> int:
    """Print what labels say of each model version."""
    reply = ask(find_endpoint(where), "GET", "/quality", ca=where.ca)
    if reply.status != 200:
        return failed(reply)
    click.echo(json.dumps(reply.body, indent=2) if as_json else shown(reply.body))
    return 0


def shown(document: Mapping[str, Any]) -> str:
    """The figures as a person reads them."""
    if document["state"] == "off":
        return "labels:   off; the policy has no `labels` (docs/labels.md)"
    counts = ", ".join(f"{name} {count}" for name, count in document["outcomes"].items()) or "none since the start"
    lines = [f"labels:   {printable(document['state'])}; {counts}"]
    for target in document["targets"]:
        found = _interval(target["found"])
        lines.append(f"target:   {printable(target['target'])} {target['value']:g}: {target['verdict']} ({found})")
    for version in document["versions"]:
        lines += _version(version)
    if not document["versions"]:
        lines.append("no receipt has been handed out yet")
    return "\n".join(lines)


def _version(version: Mapping[str, Any]) -> Iterator[str]:
    yield ""
    yield f"{printable(version['route'])}  {printable(version['output'])}, version {printable(version['version']) or '-'}"
    yield f"  {version['issued']} receipts, {version['labelled']} labels"
    if version["mature"] is None:
        yield "  no prediction is old enough to be judged (labels.maturity)"
        return
    for part in (version["mature"], *version["segments"]):
        segment = part["segment"]
        name = f"{segment['field']}={segment['value']}" if segment else f"{version['from']} to {version['until']}"
        yield f"  {printable(name)}: {part['labelled']} of {part['issued']} labelled ({part['coverage'] or 0:.1%})"
        for figure, found in part["figures"].items():
            if found is not None:
                yield f"    {figure:18} {_interval(found)}"
        for biased in part["biased"]:
            low, high = biased["scores"]
            place = f"class {printable(biased['class'])}, scores {low:g} to {high:g}"
            yield f"    biased: {biased['share']:.0%} of predictions ({place}) have {biased['labels']} labels"


def _interval(found: Mapping[str, float] | None) -> str:
    return "not known yet" if found is None else f"{found['estimate']:.4g} ({found['low']:.4g} to {found['high']:.4g})"
