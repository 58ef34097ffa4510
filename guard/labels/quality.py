"""All figures of one version and segment, as the document that the API, metrics and status show."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from guard.labels import numbers
from guard.labels.classes import Sample, accuracy, confusion, ratios
from guard.labels.counts import DELAYS, Cohort, parts
from guard.labels.intervals import Figure
from guard.labels.layout import Layout, written
from guard.labels.scores import auc, brier, calibration_error, expected_accuracy, reliability
from guard.labels.strata import Place, biased

Segment = tuple[str, str]
WHOLE: Final[Segment] = ("", "")
LOWER_IS_BETTER: Final = frozenset(("brier", "calibration_error", "mae", "rmse"))
ALIASES: Final = {"ece": "calibration_error", "roc_auc": "auc", "f1_score": "f1"}
"""Other names of figures, as `targets.quality` may have them."""
FIGURES: Final = (
    "accuracy", "precision", "recall", "f1", "brier", "auc", "calibration_error", "mae", "rmse", "bias",
    "expected_accuracy",
)  # fmt: skip
"""Every figure that has an interval."""


class Rules(NamedTuple):
    """Rules of the policy that decide which labels count. Times in seconds."""

    maturity: float
    after: tuple[tuple[float, Any], ...] = ()
    """(age, label): predictions older than this without a label have this one."""


def mature(key: int, cohort: Cohort, now: float, maturity: float) -> bool:
    """Whether the labels of a period may be judged: early labels are not like the rest."""
    return key < 0 or cohort.until + maturity <= now


class Counted:
    """The cohorts of one layout and version that are of one segment, added up."""

    def __init__(self, layout: Layout, segment: Segment = WHOLE) -> None:
        self.layout = layout
        self._segment = segment
        self.issued: dict[Place, float] = {}
        self.labelled: dict[Place, dict[int, int]] = {}
        self.sums: dict[Place, list[float]] = {}

    def add(self, cohort: Cohort, default: float | None) -> None:
        """Add a day. `default`: the label of predictions without one; None leaves them without."""
        issued, labelled, sums = dict(cohort.issued), dict(cohort.labelled), dict(cohort.sums)
        for number in {*issued, *labelled, *sums}:
            combination, class_, score = parts(number)
            if self._segment != WHOLE and self._segment not in self.layout.segment_values(combination):
                continue
            place = (class_, score)
            counts = dict(labelled.get(number, {}))
            have = round(sums[number][0]) if number in sums else sum(counts.values())
            whole = max(issued.get(number, 0), have)
            self.issued[place] = self.issued.get(place, 0.0) + whole
            if default is not None and not self.layout.numeric and whole > have:
                counts[int(default)] = counts.get(int(default), 0) + whole - have
            mine = self.labelled.setdefault(place, {}) if counts else {}
            for label, count in counts.items():
                mine[label] = mine.get(label, 0) + count
            if number in sums:
                own = self.sums.setdefault(place, [0.0] * len(sums[number]))
                for index, value in enumerate(sums[number]):
                    own[index] += value

    def labels(self) -> dict[Place, int]:
        """The number of labels by place."""
        if self.layout.numeric:
            return {place: round(own[0]) for place, own in self.sums.items()}
        return {place: sum(counts.values()) for place, counts in self.labelled.items()}

    def document(self) -> dict[str, Any]:
        """The figures as JSON; a figure that nothing tells is null."""
        labels, issued = self.labels(), sum(self.issued.values())
        figures = dict.fromkeys(FIGURES) | (self._numeric() if self.layout.numeric else {})
        more: dict[str, Any] = {}
        if not self.layout.numeric:
            sample = Sample(self.issued, self.labelled)
            figures |= self._classes(sample)
            more = self._tables(sample)
        return {
            "segment": {"field": self._segment[0], "value": self._segment[1]} if self._segment != WHOLE else None,
            "issued": round(issued),
            "labelled": sum(labels.values()),
            "coverage": round(sum(labels.values()) / issued, 6) if issued else None,
            "figures": {name: figure.document() if figure is not None else None for name, figure in figures.items()},
            "biased": self._biased(labels) if issued else [],
            **more,
        }  # fmt: skip

    def _biased(self, labels: Mapping[Place, int]) -> list[dict[str, Any]]:
        return [
            {"class": self._class(class_), "scores": [at / 10, (at + 1) / 10], "share": round(part, 4), "labels": own}
            for class_, at, part, own in biased(self.issued, labels)
        ]

    def _class(self, index: int) -> str | None:
        return written(self.layout.classes[index]) if index < len(self.layout.classes) else None

    def _numeric(self) -> dict[str, Figure | None]:
        return numbers.figures(numbers.Errors(self.issued, self.sums))

    def _wanted(self) -> list[int]:
        """The class that precision, recall and F1 are of: the positive one of two, else all of them."""
        classes = len(self.layout.classes)
        return [self.layout.positive if self.layout.positive >= 0 else 1] if classes == 2 else list(range(classes))

    def _classes(self, sample: Sample) -> dict[str, Figure | None]:
        positive = self.layout.positive
        figures: dict[str, Figure | None] = {"accuracy": accuracy(sample), **ratios(sample, self._wanted())._asdict()}
        if self.layout.score:
            figures["brier"], figures["auc"] = brier(sample, positive), auc(sample, positive)
            figures["calibration_error"] = calibration_error(sample, self.issued, positive)
            figures["expected_accuracy"] = expected_accuracy(self.issued, positive)
        if not sample.cells:
            expected = figures.get("expected_accuracy")
            figures = dict.fromkeys(figures) | {"expected_accuracy": expected}
        return figures

    def _tables(self, sample: Sample) -> dict[str, Any]:
        names = [written(value) for value in self.layout.classes]
        table = {"classes": names, "counts": confusion(sample, len(names))}
        bins = reliability(sample, self.issued, self.layout.positive) if self.layout.score else []
        return {"confusion": table, "reliability": bins}


def default_label(rules: Rules, layout: Layout, until: float, now: float) -> int | float | None:
    """The label that the predictions of a period without one have by now."""
    due = [label for age, label in rules.after if until + age <= now]
    return layout.label(due[-1]) if due else None


def version_document(
    layout: Layout, version: str, cohorts: Mapping[int, Cohort], rules: Rules, now: float
) -> dict[str, Any]:
    """The figures of one version: of all its predictions, and of each segment. Only mature periods are in them."""
    days = [(abs(key), cohort) for key, cohort in cohorts.items() if mature(key, cohort, now, rules.maturity)]
    counted = [(cohort, default_label(rules, layout, cohort.until, now)) for _, cohort in days]
    segments = list(_documents(layout, counted))
    everything = list(cohorts.values())
    delays = [sum(cohort.delays[index] for cohort in everything) for index in range(len(DELAYS) + 1)]
    return {
        "route": layout.route, "output": layout.output, "score": layout.score or None,
        "positive": written(layout.classes[layout.positive]) if layout.positive >= 0 else None,
        "version": version,
        "from": min(begin for begin, _ in days) if days else None,
        "until": max(cohort.until for _, cohort in days) if days else None,
        "issued": sum(sum(dict(cohort.issued).values()) for cohort in everything),
        "labelled": sum(cohort.labels for cohort in everything),
        "corrected": sum(cohort.corrected for cohort in everything),
        "delay": {"bounds": list(DELAYS), "counts": delays, "sum": sum(cohort.delay_sum for cohort in everything)},
        "mature": segments[0] if days else None,
        "segments": segments[1:] if days else [],
    }  # fmt: skip


def _documents(layout: Layout, days: Sequence[tuple[Cohort, int | float | None]]) -> Iterator[dict[str, Any]]:
    of_fields = [(name, written(value)) for name, values in layout.segments for value in values]
    for segment in (WHOLE, *of_fields):
        counted = Counted(layout, segment)
        for cohort, default in days:
            counted.add(cohort, default)
        yield counted.document()
