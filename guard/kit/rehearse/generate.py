"""Values that a contract allows, drawn by a maintained generator.

hypothesis knows the edges of texts, floats and patterns. What is drawn is the same in every run with the same seed.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from guard.kit.example import elements
from guard.policy import typed
from guard.policy.fields import InputField, Shape

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

WIDE: Final = 1_000_000
"""Range of a number without bounds in a usual request; the edges are a class of their own (`fields`)."""
LONGEST: Final = 40
BLOCKS: Final = (
    (0x20, 0x7F), (0xC0, 0x250), (0x391, 0x3CA), (0x410, 0x450), (0x627, 0x64B), (0x905, 0x93A), (0xE01, 0xE2F),
    (0x3041, 0x3097), (0x4E00, 0x4E80), (0x1F600, 0x1F640),
)  # fmt: skip
ALPHABET: Final = "".join(chr(point) for first, end in BLOCKS for point in range(first, end))
"""Characters of generated texts. All of Unicode would take the generator ten seconds to sort at each start."""
RANGES: Final[Mapping[str, tuple[int, int]]] = {
    f"{sign}INT{bits}": (0 if sign else -(1 << (bits - 1)), (1 << bits if sign else 1 << (bits - 1)) - 1)
    for sign in ("", "U")
    for bits in (8, 16, 32, 64)
}
"""The range of a tensor's datatype."""


class NoGenerator(Exception):  # noqa: N818
    """The extra is not installed."""


def prepare(folder: Path) -> None:
    """Make the generator keep its files in a folder of ours. Raises NoGenerator."""
    try:
        from hypothesis.configuration import set_hypothesis_home_dir  # noqa: PLC0415
    except ImportError:
        raise NoGenerator("guard rehearse needs its extra: pip install 'guard-sidecar[rehearse]'") from None
    set_hypothesis_home_dir(folder)


def instances(inputs: Mapping[str, InputField], wall: float, count: int, seed: int) -> list[dict[str, Any]]:
    """Up to `count` instances, by field name; optional fields come and go. The simplest first."""
    from hypothesis import strategies as st  # noqa: PLC0415

    required = {name: values(field, wall) for name, field in inputs.items() if field.required}
    optional = {name: values(field, wall) for name, field in inputs.items() if not field.required}
    return drawn(st.fixed_dictionaries(required, optional=optional), count, seed)


def drawn(strategy: "SearchStrategy[Any]", count: int, seed: int) -> list[Any]:
    """Up to `count` values, fewer where there are no more."""
    from hypothesis import HealthCheck, Phase, given, settings  # noqa: PLC0415
    from hypothesis import seed as seeded  # noqa: PLC0415

    results: list[Any] = []

    @seeded(seed)
    @settings(
        max_examples=count, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(strategy)
    def collect(value: Any) -> None:
        results.append(value)

    collect()
    return results


def typical(field: Shape, wall: float, seed: int) -> Any:
    """An everyday value: the field's own example, or in the middle of its bounds, fresh, of the first category."""
    if field.has_example:
        return field.example
    if field.enum is not None:
        return field.enum[0]
    if field.type in {"integer", "number"}:
        low, high = bounds(field)
        if low is None or high is None:
            middle = 1.0 if low is None and high is None else (low or 0.0) + 1.0 if high is None else high - 1.0
        else:
            middle = low + (high - low) / 2
        return int(middle) if field.type == "integer" else middle
    if field.type == "array":
        return [typical(field.items, wall, seed)] * elements(field) if field.items is not None else []
    if field.type == "object":
        return {name: typical(item, wall, seed) for name, item in (field.fields or {}).items() if item.required}
    return drawn(values(field, wall), 1, seed)[0]


def values(field: Shape, wall: float) -> "SearchStrategy[Any]":
    """Values that the field allows, except null and absence."""
    from hypothesis import strategies as st  # noqa: PLC0415

    if field.enum is not None:
        return st.sampled_from(field.enum)
    low, high = bounds(field)
    match field.type:
        case "integer":
            least = int(low) if low is not None else (int(high) if high is not None else 0) - WIDE
            return st.integers(least, int(high) if high is not None else least + 2 * WIDE)
        case "number":
            least_ = low if low is not None else (high if high is not None else 0) - WIDE
            return st.floats(least_, high if high is not None else least_ + 2 * WIDE, allow_nan=False, allow_infinity=False)
        case "string":
            return _texts(field)
        case "boolean":
            return st.booleans()
        case "timestamp":
            return _times(field, wall)
        case "array":
            items = values(field.items, wall) if field.items is not None else st.integers(0, 9)
            if getattr(field, "shape", None) is not None:
                return st.lists(items, min_size=elements(field), max_size=elements(field))
            least_items = field.min_items or 0
            most = field.max_items if field.max_items is not None else least_items + 5
            return st.lists(items, min_size=least_items, max_size=min(most, least_items + 20))
    fields = field.fields or {}
    required = {name: values(field, wall) for name, field in fields.items() if field.required}
    optional = {name: values(field, wall) for name, field in fields.items() if not field.required}
    return st.fixed_dictionaries(required, optional=optional)


def bounds(field: Shape) -> tuple[float | None, float | None]:
    """The declared bounds, narrowed to the range of the field's tensor."""
    low, high = field.min, field.max
    least, most = RANGES.get(getattr(field, "datatype", None) or "", (None, None))
    if least is not None and most is not None:
        low = least if low is None else max(low, least)
        high = most if high is None else min(high, most)
    return low, high


def _texts(field: Shape) -> "SearchStrategy[str]":
    from hypothesis import strategies as st  # noqa: PLC0415

    if field.pattern is not None:
        fits: Callable[[str], bool] = lambda text: not list(typed.breaches(text, field))  # noqa: E731
        try:
            return st.from_regex(re.compile(field.pattern), fullmatch=True, alphabet=ALPHABET).filter(fits)
        except re.error:
            return st.just(field.example) if field.has_example else st.nothing()  # Rust's syntax, and not Python's
    least = field.min_length or 0
    most = min(field.max_length if field.max_length is not None else LONGEST, max(LONGEST, least))
    return st.text(ALPHABET, min_size=least, max_size=most)


def _times(field: Shape, wall: float) -> "SearchStrategy[Any]":
    """Times that are fresh: of the last half of what is allowed, or of the last month."""
    from hypothesis import strategies as st  # noqa: PLC0415

    freshness = getattr(field, "freshness", None)
    age = min(freshness.stale / 2 if freshness is not None else 86400.0 * 30, 86400.0 * 30)
    begin = datetime.fromtimestamp(wall, UTC)
    seconds = st.integers(0, int(age))
    if field.unit in {"s", "ms"}:
        return seconds.map(lambda ago: int((wall - ago) * (1000 if field.unit == "ms" else 1)))
    return seconds.map(lambda ago: (begin - timedelta(seconds=ago)).isoformat(timespec="seconds"))
