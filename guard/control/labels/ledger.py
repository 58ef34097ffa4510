"""The counts of every layout, model version and day, as they are kept over restarts."""

import json
from collections.abc import Mapping
from typing import Any, Final

from guard.labels.counts import DAY, Cohort, folded, period
from guard.labels.layout import Layout
from guard.labels.quality import Rules, version_document
from guard.labels.receipt import version_key

FORMAT: Final = 1
MOST_SERIES: Final = 16
"""Pairs of a layout and a version; the one that was issued least lately gives way."""
KEPT: Final = 31 * DAY
"""Seconds for which a day is kept after its last receipt has expired."""


class Ledger:
    """Counts by (digest of the layout, key of the version) and day."""

    def __init__(self) -> None:
        self.layouts: dict[bytes, Layout] = {}
        self.versions: dict[bytes, str] = {}
        self.series: dict[tuple[bytes, bytes], dict[int, Cohort]] = {}
        self.maturity = float(DAY)
        """Seconds after which labels are mature, by the policy in force."""

    def cohort(self, layout: Layout, version: str, moment: float) -> Cohort:
        """The counts of a version's predictions of this moment, on this layout."""
        self.layouts[layout.digest] = layout
        key = version_key(version)
        self.versions[key] = version
        return self._period(layout.digest, key, moment)

    def of(self, layout: bytes, version: bytes, issued: int) -> Cohort:
        """The counts of a receipt. Its version may be one that only another replica has met."""
        days = self.series.get((layout, version), {})
        begin, _ = period(issued, self.maturity)
        known = days.get(begin) or days.get(folded(begin))
        return known or self._period(layout, version, issued)

    def _period(self, layout: bytes, version: bytes, moment: float) -> Cohort:
        begin, length = period(moment, self.maturity)
        cohorts = self._cohorts(layout, version)
        return cohorts.get(begin) or cohorts.setdefault(begin, Cohort(begin + length))

    def _cohorts(self, layout: bytes, version: bytes) -> dict[int, Cohort]:
        key = (layout, version)
        known = self.series.get(key)
        if known is not None:
            return known
        if len(self.series) >= MOST_SERIES:
            del self.series[min(self.series, key=lambda other: _latest(self.series[other]))]
        return self.series.setdefault(key, {})

    def fold(self, now: float) -> None:
        """Add short periods that are mature to their days."""
        for cohorts in list(self.series.values()):
            for begin, cohort in list(cohorts.items()):
                if begin >= 0 and cohort.until - begin < DAY and cohort.until + self.maturity <= now:
                    _add(cohorts.setdefault(folded(begin), Cohort(cohort.until)), cohort)
                    del cohorts[begin]

    def name(self, version: bytes) -> str:
        """The version, or the key of one that this replica has not met."""
        return self.versions.get(version, f"#{version.hex()}")

    def expire(self, now: float, expire: float) -> None:
        """Let go of the days whose receipts expired long ago."""
        for key, days in list(self.series.items()):
            for begin in [begin for begin, cohort in list(days.items()) if cohort.until + expire + KEPT < now]:
                del days[begin]
            if not days:
                del self.series[key]

    def save(self) -> bytes:
        """All of it, to be read by `merge`."""
        series = [
            [layout.hex(), version.hex(), [[day, cohort.document()] for day, cohort in list(days.items())]]
            for (layout, version), days in list(self.series.items())
        ]
        layouts = [layout.document() for layout in list(self.layouts.values())]
        versions = list(self.versions.values())
        return json.dumps({"format": FORMAT, "layouts": layouts, "versions": versions, "series": series}).encode()

    def merge(self, content: bytes) -> None:
        """Add what was saved to what was counted since the start. Raises ValueError, and then adds nothing."""
        try:
            document = json.loads(content)
            if document["format"] != FORMAT:
                raise ValueError("of another version of guard")
            layouts = [Layout.of(each) for each in document["layouts"]]
            versions = [str(each) for each in document["versions"]]
            series = [
                (bytes.fromhex(layout), bytes.fromhex(version), {int(day): Cohort.of(each) for day, each in days})
                for layout, version, days in document["series"]
            ]
        except (KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError("not the counts of labels") from error
        self.layouts = {layout.digest: layout for layout in layouts} | self.layouts
        self.versions = {version_key(version): version for version in versions} | self.versions
        for layout, version, days in series:
            own = self._cohorts(layout, version)
            for begin, cohort in days.items():
                _add(own.get(begin) or own.setdefault(begin, Cohort(cohort.until)), cohort)

    def figures(self, rules: Rules, now: float) -> list[dict[str, Any]]:
        """The figures of each version, the latest first."""
        newest = sorted(self.series.items(), key=lambda item: _latest(item[1]), reverse=True)
        known = [(self.layouts.get(layout), version, days) for (layout, version), days in newest]
        return [
            version_document(layout, self.name(version), dict(days), rules, now)
            for layout, version, days in known
            if layout is not None
        ]


def _latest(cohorts: Mapping[int, Cohort]) -> float:
    return max((cohort.until for cohort in list(cohorts.values())), default=0.0)


def _add(into: Cohort, more: Cohort) -> None:
    """Add the counts of a cohort to another."""
    into.until = max(into.until, more.until)
    for number, count in more.issued.items():
        into.issued[number] = into.issued.get(number, 0) + count
    for number, counts in more.labelled.items():
        _add_counts(into.labelled.setdefault(number, {}), counts)
    for number, sums in more.sums.items():
        own = into.sums.setdefault(number, [0.0] * len(sums))
        for index, value in enumerate(sums):
            own[index] += value
    into.delays = [mine + other for mine, other in zip(into.delays, more.delays, strict=True)]
    into.delay_sum += more.delay_sum
    into.corrected += more.corrected


def _add_counts(into: dict[int, int], more: Mapping[int, int]) -> None:
    for label, count in more.items():
        into[label] = into.get(label, 0) + count
