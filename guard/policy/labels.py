"""The policy's `labels`, and what it means on a route: which outputs a receipt holds (docs/labels.md)."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, Self

from pydantic import Field

from guard.labels.layout import MOST_CLASSES, MOST_COMBINATIONS, MOST_SEGMENTS, Layout, combinations
from guard.policy import typed
from guard.policy.errors import shown
from guard.policy.fields import InputField, OutputField, most_sensitive
from guard.policy.ladder import Secret
from guard.policy.policy_model import PolicyModel, Report
from guard.policy.route import Route
from guard.policy.scalars import DURATION, Duration, Misread, Share, String, Value, read_duration
from guard.privacy.sensitivity import MEASURED

DAY: Final = 86400.0


class Labels(PolicyModel):
    """Receipts and labels: the true quality of the model. Without this block no receipt is handed out."""

    key: Secret = Field(
        description="Key of receipts, at least 16 bytes; one a line. The first signs, all verify. Replicas share it."
    )
    output: String | None = Field(
        default=None, description="Output that labels are about. Default: the first enum, else the first bounded number."
    )
    score: String | None = Field(
        default=None, description="Output with the prediction's score. Default: the first bounded number beside an enum."
    )
    positive: Value = Field(
        default=None, description="Class whose probability the score is. Default: the second of two classes."
    )
    share: Share = Field(default=1.0, description="Share of answers that carry a receipt.")
    expire: Duration = Field(default=45 * DAY, description="Age after which a receipt is not accepted any more.")
    maturity: Duration = Field(
        default=30 * DAY, description="Age at which a day's predictions are judged: early labels are not like the rest."
    )
    segments: tuple[String, ...] = Field(default=(), description="Input enums by whose values figures are shown, too.")
    after: dict[str, Value] = Field(
        default_factory=dict, description="Age: the label that a prediction without one has from then on."
    )

    def finish(self, report: Report) -> Self:
        """Checks that ages can be read, and that receipts live until they are judged."""
        for key in self.after:
            try:
                read_duration(key)
            except Misread as error:
                report(("after", key), f"{shown(key)} is not an age: {error}", DURATION, key=True)
        if self.expire < self.maturity and self.is_set("expire"):
            report(("expire",), "expire is earlier than maturity", "expire at or after maturity")
        if len(set(self.segments)) < len(self.segments):
            report(("segments",), "a field stands twice in segments", "each field once")
        return self.but(after={key: typed.plain(value) for key, value in self.after.items()})

    @property
    def ages(self) -> tuple[tuple[float, Any], ...]:
        """`after`, in seconds and in order."""
        return tuple(sorted(((read_duration(key), label) for key, label in self.after.items()), key=lambda pair: pair[0]))


class LabelsInvalid(Exception):  # noqa: N818
    """The error of `labels` that a route cannot follow. `path`: below `labels`."""

    def __init__(self, message: str, *path: str | int) -> None:
        super().__init__(message)
        self.path = path


def layout_of(key: str, route: Route, labels: Labels) -> Layout | None:
    """The layout of a route's receipts; None for a route without what `labels` names. Raises LabelsInvalid."""
    outputs = route.outputs
    name = labels.output or next(_defaults(outputs), None)
    if name is None or name not in outputs:
        return None
    field = outputs[name]
    _hold(name, field, "output")
    if labels.segments and not set(labels.segments) <= route.inputs.keys():
        return None
    segments = tuple((each, _segment(route.inputs[each], index)) for index, each in enumerate(labels.segments))
    if sum(len(values) for _, values in segments) > MOST_SEGMENTS or combinations(segments) > MOST_COMBINATIONS:
        raise LabelsInvalid(
            f"too many segments; expected at most {MOST_SEGMENTS} values, and {MOST_COMBINATIONS} combinations of them",
            "segments",
        )
    classes = _classes(name, field)
    if not classes:
        return Layout(key, name, low=field.min, high=field.max, segments=segments)
    score = _score(labels, outputs)
    positive = _positive(labels, classes) if score is not None else -1
    low, high = (outputs[score].min, outputs[score].max) if score is not None else (None, None)
    return Layout(key, name, classes, score or "", low, high, positive, segments)


def _defaults(outputs: Mapping[str, OutputField]) -> Iterator[str]:
    """Outputs that labels may be about, the best first."""
    told = {name: field for name, field in outputs.items() if _told(field)}
    yield from (name for name, field in told.items() if field.enum is not None and len(field.enum) <= MOST_CLASSES)
    yield from (name for name, field in told.items() if field.type == "boolean")
    yield from (name for name, field in told.items() if _bounded(field))


def _told(field: OutputField) -> bool:
    return most_sensitive(field) in MEASURED and field.treatment is None


def _bounded(field: OutputField) -> bool:
    return field.enum is None and field.type in ("integer", "number") and field.min is not None and field.max is not None


def _hold(name: str, field: OutputField, *path: str) -> None:
    if not _told(field):
        level = most_sensitive(field)
        why = f"is {level}" if level not in MEASURED else "is dropped by its treatment"
        raise LabelsInvalid(
            f"the output {shown(name)} {why}: no receipt may hold it; expected an output up to internal", *path
        )


def _classes(name: str, field: OutputField) -> tuple[Any, ...]:
    if field.enum is not None:
        if len(field.enum) > MOST_CLASSES:
            raise LabelsInvalid(
                f"the output {shown(name)} has {len(field.enum)} classes; expected at most {MOST_CLASSES}", "output"
            )
        return tuple(field.enum)
    if field.type == "boolean":
        return (False, True)
    if field.type not in ("integer", "number"):
        raise LabelsInvalid(f"the output {shown(name)} is neither an enum nor a number; expected one of these", "output")
    return ()


def _score(labels: Labels, outputs: Mapping[str, OutputField]) -> str | None:
    if labels.score is None:
        return next((name for name, field in outputs.items() if _told(field) and _bounded(field)), None)
    field = outputs.get(labels.score)
    if field is None:
        raise LabelsInvalid(f"no output {shown(labels.score)} beside it; expected an output with min and max", "score")
    _hold(labels.score, field, "score")
    if not _bounded(field):
        raise LabelsInvalid(f"the output {shown(labels.score)} is not a number with bounds; expected min and max", "score")
    return labels.score


def _positive(labels: Labels, classes: tuple[Any, ...]) -> int:
    if not labels.is_set("positive"):
        return 1 if len(classes) == 2 else -1
    index = Layout("", "", classes).label(typed.plain(labels.positive))
    if index is None:
        raise LabelsInvalid("positive is none of the output's classes; expected one of them", "positive")
    return int(index)


def _segment(field: InputField, index: int) -> tuple[Any, ...]:
    if field.enum is None and field.type != "boolean":
        raise LabelsInvalid("a segment is a field with an enum, or a boolean; expected one of these", "segments", index)
    if most_sensitive(field) not in MEASURED:
        raise LabelsInvalid(
            f"a field that is {field.sensitivity} is no segment; expected a field up to internal", "segments", index
        )
    return tuple(field.enum) if field.enum is not None else (False, True)
