"""Families as text for a scraper: Prometheus' format 0.0.4, or OpenMetrics 1.0 (with exemplars) where it is asked for.

Names are those that a collector gives OTLP metrics: dots become underscores, units a suffix, sums end in `_total`.
prometheus_client needs 115 ms for a thousand histograms, in one piece and with the GIL held; this needs 3.
"""

from collections.abc import Iterable, Mapping
from itertools import accumulate
from typing import Final

from guard.telemetry.accumulators import Histogram, Instrument, Labels
from guard.telemetry.family import Family, attributes

TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"
UNITS: Final = {"s": "_seconds", "By": "_bytes"}
TYPES: Final = {"counter": "counter", "updowncounter": "gauge", "gauge": "gauge", "histogram": "histogram"}
MOST_REMEMBERED: Final = 20_000

_ESCAPES: Final = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


def wanted(accept: str) -> str:
    """The content type for an Accept header: OpenMetrics for whoever names it."""
    return OPENMETRICS if "application/openmetrics-text" in accept else TEXT


def name(instrument: Instrument) -> str:
    """Without the `_total` of a counter."""
    plain = instrument.name.replace(".", "_")
    suffix = UNITS.get(instrument.unit, "")
    return plain if plain.endswith(suffix) else plain + suffix


class Exposition:
    """Writes families. Remembers the text before each number, which is most of it."""

    def __init__(self, resource: Mapping[str, object] | None = None) -> None:
        """`resource` is told as `target_info`."""
        self._resource = {key: str(value) for key, value in (resource or {}).items()}
        self._prefixes: dict[tuple[str, Labels | None], list[str]] = {}

    def text(self, families: Iterable[Family], content_type: str = TEXT) -> bytes:
        """The whole page."""
        modern = content_type == OPENMETRICS
        lines = [f"# HELP target_info What is measured.\n# TYPE target_info {'info' if modern else 'gauge'}"]
        if modern:
            lines = ["# TYPE target info\n# HELP target What is measured."]
        lines.append(f"target_info{_labels(self._resource)} 1")
        for instrument, points in families:
            plain = name(instrument)
            told = plain if modern or instrument.kind != "counter" else f"{plain}_total"
            lines.append(f"# HELP {told} {instrument.description}\n# TYPE {told} {TYPES[instrument.kind]}")
            for labels, value in points:
                prefixes = self._prefixes.get((instrument.name, labels)) or self._remember(instrument, labels, value)
                if isinstance(value, Histogram):
                    lines += _histogram(prefixes, value, exemplars=modern)
                else:
                    lines.append(prefixes[0] + _number(value))
        lines.append("# EOF\n" if modern else "")
        return "\n".join(lines).encode()

    def _remember(self, instrument: Instrument, labels: Labels | None, value: float | Histogram) -> list[str]:
        if len(self._prefixes) > MOST_REMEMBERED:
            self._prefixes.clear()
        plain, shown = name(instrument), attributes(instrument, labels)
        if isinstance(value, Histogram):
            bounds = [*map(_number, map(float, value.bounds)), "+Inf"]
            made = [f"{plain}_bucket{_labels({**shown, 'le': bound})} " for bound in bounds]
            made += [f"{plain}_sum{_labels(shown)} ", f"{plain}_count{_labels(shown)} "]
        else:
            made = [f"{plain}{'_total' if instrument.kind == 'counter' else ''}{_labels(shown)} "]
        self._prefixes[instrument.name, labels] = made
        return made


def _histogram(prefixes: list[str], value: Histogram, *, exemplars: bool) -> list[str]:
    running = list(accumulate(value.counts))
    numbers = [*map(str, running), _number(value.sum), str(running[-1])]
    lines = [prefix + number for prefix, number in zip(prefixes, numbers, strict=True)]
    if exemplars and value.exemplars:
        for index, seen in list(value.exemplars.items()):
            trace = f'trace_id="{seen.trace_id:032x}",span_id="{seen.span_id:016x}"'
            lines[index] += f" # {{{trace}}} {_number(seen.value)} {seen.wall:.3f}"
    return lines


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else repr(value)


def _labels(shown: Mapping[str, str]) -> str:
    if not shown:
        return ""
    return "{" + ",".join(f'{key.replace(".", "_")}="{value.translate(_ESCAPES)}"' for key, value in shown.items()) + "}"
