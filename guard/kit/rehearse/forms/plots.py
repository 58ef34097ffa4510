"""Plots, as shapes of SVG that a template writes. Colours are classes, so that light and dark are the page's affair.

Each plot is 440 units wide and shown at most that wide, so that on a phone its text is still read.
"""

from collections.abc import Mapping, Sequence
from math import ceil, floor, log10
from typing import Any, Final, NamedTuple

from guard.proxy.values import SOURCES

WIDTH: Final = 440
HEIGHT: Final = 230
LEFT: Final = 52
RIGHT: Final = 62
TOP: Final = 16
BOTTOM: Final = 38


class Shape(NamedTuple):
    """An element of SVG. `text`: what is written in it; `title`: what a reader sees who points at it."""

    tag: str
    attributes: Mapping[str, object]
    text: str = ""
    title: str = ""


class Plot(NamedTuple):
    """A figure of `width` by `height` units."""

    title: str
    shapes: Sequence[Shape]
    width: float = WIDTH
    height: float = HEIGHT


class Line(NamedTuple):
    """A series: its name stands at its end."""

    name: str
    points: Sequence[tuple[float, float]]


def nice(most: float, count: int = 4) -> list[float]:
    """Ticks from zero to at least `most`, on round numbers."""
    if most <= 0:
        return [0.0, 1.0]
    raw = most / count
    power = 10 ** floor(log10(raw))
    step = next(item * power for item in (1, 2, 2.5, 5, 10) if item * power >= raw * 0.999)
    return [index * step for index in range(ceil(most / step - 1e-9) + 1)]


def lines(
    title: str, unit: str, x_title: str, series: Sequence[Line], x_names: Sequence[str] | None = None,
    mark: tuple[str, float] | None = None, floor_at: float = 0.0,
) -> Plot:  # fmt: skip
    """Lines over x. `x_names`: x counts places of these names; else it is a number. `mark`: a level, such as a target."""
    most_y = max([value for line in series for _, value in line.points] + ([mark[1]] if mark else []), default=1.0)
    ticks = [floor_at + tick for tick in nice(max(most_y - floor_at, 1e-9))]
    most_x = max([value for line in series for value, _ in line.points], default=1.0) or 1.0
    least_x = min([value for line in series for value, _ in line.points], default=0.0) if x_names else 0.0

    def x(value: float) -> float:
        return LEFT + (value - least_x) / max(most_x - least_x, 1e-9) * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - (value - ticks[0]) / (ticks[-1] - ticks[0]) * (HEIGHT - TOP - BOTTOM)

    parts = _ticks(ticks, y)
    if x_names is not None:
        parts += [_label(x(index), HEIGHT - BOTTOM + 16, name, "middle") for index, name in enumerate(x_names)]
    else:
        parts += [
            _label(x(tick), HEIGHT - BOTTOM + 16, short(tick), "middle") for tick in nice(most_x, 3) if tick <= most_x
        ]
    parts.append(_label((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 5, x_title, "middle"))
    if mark is not None:
        level = y(mark[1])
        parts.append(_across("target", level, LEFT, WIDTH - RIGHT))
        parts.append(Shape("text", {"class": "target-name", "x": LEFT + 4, "y": _at(level - 5)}, mark[0]))
    ends = _apart([(index, y(line.points[-1][1])) for index, line in enumerate(series) if line.points])
    for index, line in enumerate(series):
        if not line.points:
            continue
        path = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in line.points)
        parts.append(Shape("polyline", {"class": f"line s{index}", "points": path}))
        if x_names is not None:
            dots = ({"class": f"dot s{index}", "cx": _at(x(a)), "cy": _at(y(b)), "r": 3} for a, b in line.points)
            parts += [Shape("circle", dot) for dot in dots]
        place = {"class": f"name s{index}", "x": WIDTH - RIGHT + 8, "y": _at(ends[index] + 4)}
        parts.append(Shape("text", place, line.name))
    return Plot(f"{title}, {unit}", parts)


def bars(title: str, unit: str, x_title: str, named: Sequence[tuple[str, float]], mark: tuple[str, float] | None) -> Plot:
    """A bar for each name, its value above it."""
    most = max([value for _, value in named] + ([mark[1]] if mark else []), default=1.0)
    ticks = nice(most * 1.1)
    room = (WIDTH - LEFT - 16) / max(1, len(named))

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - value / ticks[-1] * (HEIGHT - TOP - BOTTOM)

    parts = _ticks(ticks, y, WIDTH - 16)
    for index, (name, value) in enumerate(named):
        left, wide = LEFT + index * room + room * 0.18, room * 0.64
        parts.append(_rect("bar s0", left, y(value), wide, max(0.0, HEIGHT - BOTTOM - y(value))))
        parts.append(_label(left + wide / 2, y(value) - 5, short(value), "middle"))
        parts.append(_label(left + wide / 2, HEIGHT - BOTTOM + 16, name, "middle"))
    parts.append(_label((LEFT + WIDTH - 16) / 2, HEIGHT - 5, x_title, "middle"))
    if mark is not None:
        level = y(mark[1])
        parts += [_across("target", level, LEFT, WIDTH - 16), _across("target", TOP - 8, WIDTH - 46, WIDTH - 16)]
        place = {"class": "target-name", "x": WIDTH - 52, "y": TOP - 4, "text-anchor": "end"}
        parts.append(Shape("text", place, mark[0]))
    return Plot(f"{title}, {unit}", parts)


def sources(title: str, rows: Sequence[tuple[str, Mapping[str, int]]]) -> Plot:
    """A chart of the sources: a bar of shares for each phase."""
    tall, left = 24, 100
    names = [name for name in SOURCES if any(name in row for _, row in rows)]
    others = sorted({name for _, row in rows for name in row} - set(SOURCES))
    parts: list[Shape] = []
    wide = WIDTH - left - 16
    for index, (name, row) in enumerate(rows):
        top, at, total = 4 + index * (tall + 8), float(left), sum(row.values()) or 1
        parts.append(_label(left - 8, top + 16, name, "end"))
        for source in (*names, *others):
            share = row.get(source, 0) / total * wide
            kind = f"source {source}" if source in SOURCES else "source none"
            if share:
                tooltip = f"{source}: {row[source]} of {total}"
                parts.append(_rect(kind, at, top, max(share, 0.8), tall, tooltip))
            at += share
    top, at = 12 + len(rows) * (tall + 8), float(left)
    for source in (*names, *others):
        kind = f"source {source}" if source in SOURCES else "source none"
        parts.append(_rect(kind, at, top, 11, 11))
        parts.append(_label(at + 16, top + 10, source, "start"))
        at += 30 + 7.2 * len(source)
    return Plot(title, parts, height=top + 20)


def _ticks(ticks: Sequence[float], y: Any, right: float = WIDTH - RIGHT) -> list[Shape]:
    levels = []
    for index, tick in enumerate(ticks):
        level = y(tick)
        levels.append(_across("axis" if not index else "grid", level, LEFT, right))
        levels.append(_label(LEFT - 7, level + 4, short(tick), "end"))
    return levels


def _across(kind: str, level: float, left: float, right: float) -> Shape:
    return Shape("line", {"class": kind, "x1": left, "x2": right, "y1": _at(level), "y2": _at(level)})


def _rect(kind: str, left: float, top: float, wide: float, tall: float, title: str = "") -> Shape:
    place = {"class": kind, "x": _at(left), "y": _at(top), "width": _at(wide), "height": _at(tall), "rx": 2}
    return Shape("rect", place, title=title)


def _at(value: float) -> str:
    return f"{value:.1f}"


def _apart(ends: Sequence[tuple[int, float]]) -> dict[int, float]:
    """Names at the ends of lines, moved until none covers another."""
    placed: dict[int, float] = {}
    last = -1e9
    for index, level in sorted(ends, key=lambda item: item[1]):
        placed[index] = last = max(level, last + 14)
    over = max(0.0, last - (HEIGHT - BOTTOM + 2))
    return {index: level - over for index, level in placed.items()}


def _label(x: float, y: float, text: str, anchor: str) -> Shape:
    return Shape("text", {"class": "label", "x": _at(x), "y": _at(y), "text-anchor": anchor}, text)


def short(value: float) -> str:
    """A number for an axis."""
    if abs(value) >= 10_000:
        return f"{value / 1000:.3g}k"
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
