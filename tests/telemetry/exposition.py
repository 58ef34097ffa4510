"""A strict reader of Prometheus' text format 0.0.4, and of what OpenMetrics 1.0 adds to it.

Source: prometheus.io/docs/instrumenting/exposition_formats, and what Prometheus itself refuses: a family that is described
twice or not in one group, the same series twice, buckets that decrease, a count that is not the last bucket's.
"""

import re
from typing import NamedTuple

LINE = re.compile(
    r"(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(?P<labels>[^\n]*?)\})? (?P<value>[^ \n]+)(?: # \{[^}]*\} [^ ]+(?: [^ ]+)?)?"
)
LABEL = re.compile(r'(?P<name>[a-zA-Z_][a-zA-Z0-9_]*)="(?P<value>(?:[^"\\\n]|\\["\\n])*)"(?:,|$)')
SUFFIXES = {"histogram": ("_bucket", "_sum", "_count")}

Labels = tuple[tuple[str, str], ...]


class Sample(NamedTuple):
    """One line."""

    name: str
    labels: Labels
    value: float


def parse(page: bytes) -> dict[str, list[Sample]]:
    """Samples by family. Raises AssertionError for what Prometheus would refuse."""
    text = page.decode()
    assert text.endswith("\n")
    families: dict[str, list[Sample]] = {}
    kinds: dict[str, str] = {}
    family, seen = "", set[tuple[str, Labels]]()
    for line in text[:-1].split("\n"):
        if line == "# EOF":
            continue
        if line.startswith("#"):
            _, word, name, rest = line.split(" ", 3)
            assert word in ("HELP", "TYPE"), line
            if word == "TYPE":
                assert name not in kinds, f"{name} is described twice"
                kinds[name] = rest
            if name != family:
                assert name not in families, f"{name} is not in one group"
                family, families[name] = name, []
            continue
        sample = read(line)
        plain = family.removesuffix("_total")
        names = [
            family,
            f"{family}_total",
            f"{plain}_info",
            *(family + suffix for suffix in SUFFIXES.get(kinds[family], ())),
        ]
        assert sample.name in names, line
        assert (sample.name, sample.labels) not in seen, f"twice: {line}"
        seen.add((sample.name, sample.labels))
        families[family].append(sample)
    for name, kind in kinds.items():
        if kind == "histogram":
            whole(name, families[name])
    return families


def read(line: str) -> Sample:
    match = LINE.fullmatch(line)
    assert match is not None, line
    labels, rest = [], match["labels"] or ""
    while rest:
        label = LABEL.match(rest)
        assert label is not None, line
        labels.append((label["name"], label["value"]))
        rest = rest[label.end() :]
    assert len({name for name, _ in labels}) == len(labels), line
    return Sample(match["name"], tuple(labels), float(match["value"]))


def buckets(samples: list[Sample]) -> dict[Labels, list[tuple[float, float]]]:
    """Bound and count of each bucket of the histograms of a family, by their other labels."""
    by_name: dict[Labels, list[tuple[float, float]]] = {}
    for sample in samples:
        if sample.name.endswith("_bucket"):
            others = tuple(label for label in sample.labels if label[0] != "le")
            by_name.setdefault(others, []).append((float(dict(sample.labels)["le"]), sample.value))
    return by_name


def whole(name: str, samples: list[Sample]) -> None:
    """Each histogram has bounds that ascend to infinity, counts that do not descend, and the count of the last."""
    counts = {sample.labels: sample.value for sample in samples if sample.name == f"{name}_count"}
    for labels, pairs in buckets(samples).items():
        bounds, running = [bound for bound, _ in pairs], [count for _, count in pairs]
        assert bounds == sorted(set(bounds)), labels
        assert bounds[-1] == float("inf"), labels
        assert running == sorted(running), labels
        assert counts[labels] == running[-1], labels
