"""Families as text for a scraper: Prometheus' format 0.0.4, or OpenMetrics 1.0 (with exemplars) where it is asked for.

Names are those that a collector gives OTLP metrics: dots become underscores, units a suffix, sums end in `_total`.
prometheus_client needs 115 ms for a thousand histograms, in one piece and with the GIL held; this needs 3.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Final, NamedTuple

from guard.telemetry.accumulators import Counter, Histogram, Instrument, Labels
from guard.telemetry.family import Family, attributes

TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"
UNITS: Final = {"s": "_seconds", "By": "_bytes"}
TYPES: Final = {"counter": "counter", "updowncounter": "gauge", "gauge": "gauge", "histogram": "histogram"}
MOST_REMEMBERED: Final = 40_000
"""Series whose text is remembered: more than all instruments together have."""
LINES: Final = 128
"""Lines that are written without a pause: some tenths of a millisecond, ten times as long where none is remembered."""

_ESCAPES: Final = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


def wanted(accept: str) -> str:
    """The content type for an Accept header: OpenMetrics if the header names it."""
    return OPENMETRICS if "application/openmetrics-text" in accept else TEXT


def name(instrument: Instrument) -> str:
    """The Prometheus name of an instrument, without the `_total` of a counter."""
    plain = instrument.name.replace(".", "_")
    suffix = UNITS.get(instrument.unit, "")
    return plain if plain.endswith(suffix) else plain + suffix


class Prefixes(NamedTuple):
    """The text before each number of a series. `bounds`: of the histogram that it was made for."""

    bounds: Sequence[float]
    texts: list[str]


class Exposition:
    """Writes families. Remembers the text before each number, which is most of it."""

    def __init__(
        self,
        resource: Mapping[str, object] | None = None,
        crashed: Callable[[Exception], object] = lambda _error: None,
    ) -> None:
        """`resource` is told as `target_info`. `crashed` is told why a family could not be written; the others are."""
        self._resource = {key: str(value) for key, value in (resource or {}).items()}
        self._crashed = crashed
        self._prefixes: dict[tuple[str, Labels | None], Prefixes] = {}

    def pieces(self, families: Iterable[Family | None], content_type: str = TEXT) -> Iterator[bytes]:
        """The page in pieces. An empty one is a pause, as None is among families: a page is too long for one go."""
        modern = content_type == OPENMETRICS
        head = f"# HELP target_info What is measured.\n# TYPE target_info {'info' if modern else 'gauge'}\n"
        if modern:
            head = "# TYPE target info\n# HELP target What is measured.\n"
        yield _encoded(f"{head}target_info{_labels(self._resource)} 1\n")
        for family in families:
            if family is None:
                yield b""
                continue
            pieces: list[bytes] = []
            try:
                for text in self._family(family, modern=modern):
                    pieces.append(_encoded(text))
                    yield b""
            except Exception as error:  # noqa: BLE001 — a bug in one family does not cost the others
                self._crashed(error)
            else:
                yield b"".join(pieces)
        if modern:
            yield b"# EOF\n"

    def _family(self, family: Family, *, modern: bool) -> Iterator[str]:
        """The text of a family, in pieces of whole lines."""
        instrument = family.instrument
        plain = name(instrument)
        exposed = plain if modern or instrument.kind != "counter" else f"{plain}_total"
        lines = [f"# HELP {exposed} {instrument.description}", f"# TYPE {exposed} {TYPES[instrument.kind]}"]
        for labels, value in family.points:
            bounds = value.bounds if isinstance(value, Histogram) else ()
            prefixes = self._prefixes.get((instrument.name, labels))
            if prefixes is None or prefixes.bounds != bounds:
                prefixes = self._remember(instrument, labels, bounds)
            if isinstance(value, Histogram):
                lines += _histogram(prefixes.texts, value, exemplars=modern)
            else:
                lines.append(prefixes.texts[0] + _number(value.value if isinstance(value, Counter) else value))
            if len(lines) >= LINES:
                yield "\n".join([*lines, ""])
                lines = []
        if lines:
            yield "\n".join([*lines, ""])

    def _remember(self, instrument: Instrument, labels: Labels | None, bounds: Sequence[float]) -> Prefixes:
        if len(self._prefixes) > MOST_REMEMBERED:
            self._prefixes.clear()
        plain, shown = name(instrument), attributes(instrument, labels)
        if instrument.kind == "histogram":
            limits = [*map(_number, map(float, bounds)), "+Inf"]
            texts = [f"{plain}_bucket{_labels({**shown, 'le': limit})} " for limit in limits]
            texts += [f"{plain}_sum{_labels(shown)} ", f"{plain}_count{_labels(shown)} "]
        else:
            texts = [f"{plain}{'_total' if instrument.kind == 'counter' else ''}{_labels(shown)} "]
        prefixes = self._prefixes[instrument.name, labels] = Prefixes(bounds, texts)
        return prefixes


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "replace")  # half of a surrogate pair, which a model server's JSON may name


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
