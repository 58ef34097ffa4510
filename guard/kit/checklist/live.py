"""A guard that runs, as its ops page and, with a token, its admin API tell of it. What they say is only what they say."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from guard.kit.checklist.pages import get

_LINE: Final = re.compile(r"([A-Za-z_:][\w:]*)(?:\{(.*)\})? (\S+)(?: .*)?\Z", re.ASCII)
_LABEL: Final = re.compile(r'\b(\w+)="((?:[^"\\]|\\.)*)"', re.ASCII)
_ESCAPED: Final = {"\\n": "\n", '\\"': '"', "\\\\": "\\"}


class Series(NamedTuple):
    """One number of the page."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class Live:
    """`trouble`: why there are no metrics. `status`: what the admin API said; None where it was not asked."""

    url: str
    ready: bool
    waiting: str
    metrics: Mapping[str, tuple[Series, ...]]
    trouble: str = ""
    status: Mapping[str, Any] | None = None
    status_trouble: str = ""

    def seen(self, name: str, **labels: str) -> Iterator[Series]:
        """Series of a name that have these labels; an empty text is any value."""
        for item in self.metrics.get(name, ()):
            if all(key in item.labels and value in {"", item.labels[key]} for key, value in labels.items()):
                yield item


def read_live(url: str, ca: Path | None) -> Live:
    """The ops listener at `url`. Never raises."""
    ready, page = get(f"{url}/readyz", ca), get(f"{url}/metrics", ca)
    waiting = ready.trouble or ("" if ready.status == 200 else f"/readyz answers {ready.status}{_waiting(ready.body)}")
    if page.status != 200:
        trouble = page.trouble or f"{url}/metrics answers {page.status}"
        return Live(url, not waiting, waiting, {}, trouble)
    metrics = parse(page.body)
    trouble = "" if "guard_policy_info" in metrics else f"{url}/metrics is not the metrics page of a guard"
    return Live(url, not waiting, waiting, {} if trouble else metrics, trouble)


def parse(page: bytes) -> dict[str, tuple[Series, ...]]:
    """The text format of Prometheus, by name. Lines that are none of it are left out."""
    series: dict[str, list[Series]] = {}
    for line in page.decode("utf-8", "replace").splitlines():
        if line.startswith("#") or not (match := _LINE.match(line)):
            continue
        try:
            value = float(match[3])
        except ValueError:
            continue
        labels = {name: _plain(text) for name, text in _LABEL.findall(match[2] or "")}
        series.setdefault(match[1], []).append(Series(labels, value))
    return {name: tuple(series) for name, series in series.items()}


def _plain(text: str) -> str:
    return re.sub(r"\\.", lambda match: _ESCAPED.get(match[0], match[0]), text) if "\\" in text else text


def _waiting(body: bytes) -> str:
    try:
        document = json.loads(body[:4096])
    except (ValueError, RecursionError):
        return ""
    names = document.get("waiting") if isinstance(document, dict) else None
    known = [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
    return f", waiting for {', '.join(known)}"[:200] if known else ""
