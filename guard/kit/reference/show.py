"""A reference as text: for each field its cells with their shares as bars. Private fields show only their states."""

from collections.abc import Iterator
from typing import Final

from guard.monitoring.reference import FieldReference, Reference

WIDTH: Final = 40
BAR: Final = "█"
PARTS: Final = " ▏▎▍▌▋▊▉"


def shown(reference: Reference) -> str:
    """The whole text."""
    return "\n".join(_lines(reference)) + "\n"


def _lines(reference: Reference) -> Iterator[str]:
    version = f", model {reference.model_version}" if reference.model_version else ""
    yield f"{reference.rows:,} rows of {reference.requests:,} requests, {reference.source}, made {reference.made}{version}"
    yield reference.digest
    for field in reference.fields:
        yield ""
        yield from _field(field)


def _field(field: FieldReference) -> Iterator[str]:
    total = sum(field.counts)
    states = len(field.states)
    values, held = field.counts[: len(field.counts) - states], field.counts[len(field.counts) - states :]
    yield f"{field.side} {field.name} ({field.kind})" + (", private: values are not shown" if field.private else "")
    cells = [] if field.private else list(zip(_names(field, len(values)), values, strict=True))
    named = [*cells, *((state, count) for state, count in zip(field.states, held, strict=True) if count)]
    wide = max((len(name) for name, _ in named), default=0)
    for name, count in named:
        share = count / total if total else 0.0
        yield f"  {name:{wide}}  {share:7.2%} {bar(share)}".rstrip()
    if field.repeats[1]:
        yield f"  repeats the value before, though inputs differ: {field.repeats[0] / field.repeats[1]:.2%}"
    if field.confidence[1]:
        yield f"  mean confidence: {field.confidence[0] / field.confidence[1]:.3f}"


def _names(field: FieldReference, cells: int) -> list[str]:
    """A name for each cell that holds values."""
    if field.kind == "class":
        return [*field.classes, *(["<rest>"] * (cells - len(field.classes)))]
    if not field.cuts:
        return ["<value>"] * cells
    return [*(f"<= {value:.6g}" for _, value in field.cuts), f"> {field.cuts[-1][1]:.6g}"]


def bar(share: float) -> str:
    """A bar of a share, in eighths of a character."""
    eighths = round(share * WIDTH * 8)
    return BAR * (eighths // 8) + PARTS[eighths % 8].strip()
