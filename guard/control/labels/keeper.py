"""Labels of a running guard: keys and rules of the policy in force, the counts and their file, and the figures.

All that reads or writes is done by one thread, so that a batch, a save and the figures never meet. The event loop only
counts receipts, into dictionaries that the thread copies in one step.
"""

import asyncio
import json
import secrets
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from time import monotonic
from typing import Any, Final

from guard.control.labels import intake
from guard.control.labels.intake import Label
from guard.control.labels.ledger import Ledger
from guard.control.labels.metrics import families
from guard.control.labels.seen import Seen, SeenDamaged
from guard.control.order_store import Refused
from guard.control.secrets import resolve
from guard.control.state import StateFolder
from guard.control.worker import Worker
from guard.events import LabelsDamaged, LabelsUnavailable, Publish
from guard.labels.book import Instances, Issuer, Sequence32
from guard.labels.layout import Layout
from guard.labels.quality import Rules
from guard.labels.receipt import Keyring, split_keys
from guard.policy.labels import Labels
from guard.policy.models import Policy
from guard.telemetry.accumulators import Histogram
from guard.telemetry.family import Family
from guard.telemetry.instruments import AGES

FILE: Final = "labels.json"
ASIDE: Final = "labels.damaged.json"
SAVE_EVERY: Final = 30.0
"""Seconds between two saves of the counts. A kill loses no more of them."""
FIGURES_FOR: Final = 10.0
"""Seconds for which figures are shown again; labels are slower than that."""
WITHIN: Final = 20.0
"""Seconds for one batch, or the figures."""
MOST_WAITING: Final = 4
"""Batches that wait for the thread; more are asked to come again."""
MOST_SOURCES: Final = 100
"""Names of tokens that outcomes are counted by; others are counted together."""

Outcome4 = tuple[str, str, str, str]
"""(route, version, source, outcome)."""


class LabelKeeper:
    """Does nothing, and holds nothing, while the policy has no `labels`."""

    def __init__(self, publish: Publish, wall: Callable[[], float], environ: Mapping[str, str]) -> None:
        self._publish, self._wall, self._environ = publish, wall, environ
        self.ledger = Ledger()
        self.outcomes: Counter[Outcome4] = Counter()
        self.delays: dict[str, Histogram] = {}
        """Time from prediction to label, by the route's path."""
        self.last_at: float | None = None
        """Time of the last accepted label."""
        self.declared: Labels | None = None
        self.policy: Policy | None = None
        self._keyring: Keyring | None = None
        self._state: StateFolder | None = None
        self._seen: Seen | None = None
        self._damaged: SeenDamaged | None = None
        self._recalled, self._keys = False, b""
        self._saved_at, self._figures_at = 0.0, float("-inf")
        self._figures: list[dict[str, Any]] = []
        self._waiting = 0
        self._disk = Worker("guard-labels")
        self._sequence = Sequence32(lambda: secrets.randbits(32))

    # ── the policy ────────────────────────────────────────────────────────────────────────────────────────────────

    def issuer(
        self, declared: Labels, keyring: Keyring, layout: Layout, measures: Sequence[str], instances: Instances
    ) -> Issuer:
        """Make the issuer of a route's receipts."""
        self.ledger.layouts[layout.digest] = layout  # labels may come before the first answer
        cohort = self.ledger.cohort
        return Issuer(layout, measures, keyring, declared.share, self._sequence, cohort, instances)

    def adopt(self, policy: Policy, keyring: Keyring | None) -> None:
        """A policy is in force. `keyring`: of its keys, None where they are not there."""
        self.declared, self.policy, self._keyring = policy.labels, policy, keyring
        self._figures_at = float("-inf")
        if policy.labels is not None:
            self.ledger.maturity = policy.labels.maturity
        if self.declared is not None and keyring is None:
            self._publish(LabelsUnavailable(why="the key of labels.key is not there: no receipts are handed out"))

    def open(self, state: StateFolder | None) -> None:
        """Use this folder from now on."""
        self._state = state

    @property
    def rules(self) -> Rules:
        """The rules of the policy in force."""
        declared = self.declared
        return Rules(declared.maturity, declared.ages) if declared is not None else Rules(0.0)

    def families(self) -> Iterator[Family]:
        """Metrics of labels; none without `labels`."""
        if self.declared is not None:
            yield from families(self.outcomes, self.delays, self._figures)

    # ── the task ──────────────────────────────────────────────────────────────────────────────────────────────────

    async def watch(self) -> None:
        """Read what was kept, and keep what is counted, for ever."""
        while True:
            if self.declared is not None:
                await self._disk.submit(self._tend)
            await asyncio.sleep(1.0)

    async def close(self, within: float) -> None:
        """Keep what was counted last."""
        if self._recalled:
            try:
                await self._disk.run(self._save, within)
            except (OSError, TimeoutError) as error:
                self._publish(LabelsUnavailable(why=f"the counts of labels cannot be kept: {type(error).__name__}"))

    def _tend(self) -> None:
        self._recall()
        self._follow_keys()
        self.ledger.fold(self._wall())
        if monotonic() - self._saved_at >= SAVE_EVERY:
            self._saved_at = monotonic()
            self._figures = self._computed()
            try:
                self._save()
            except OSError as error:
                self._publish(LabelsUnavailable(why=f"the counts of labels cannot be kept: {error.strerror or error}"))

    def _follow_keys(self) -> None:
        """Use the keys that a file holds now: keys are rotated without a reload."""
        declared, keyring = self.declared, self._keyring
        if declared is None or keyring is None or declared.key.file is None:
            return
        content = resolve(declared.key, self._environ)
        if content is None or content == self._keys:
            return
        self._keys = content
        try:
            keyring.replace(split_keys(content))
        except ValueError as error:
            self._publish(LabelsUnavailable(why=f"the keys before go on: {error}"))

    def _recall(self) -> None:
        """Read the counts and the list of files, once; again while files are damaged, so that a repair is seen."""
        state = self._state
        if state is None:
            return
        if not self._recalled:
            self._recalled = True
            self._saved_at = monotonic()
            try:
                content = state.read(FILE)
                if content is not None:
                    self.ledger.merge(content)
            except (OSError, ValueError) as error:
                self._publish(LabelsDamaged(file=FILE, why=str(error)))
                self._set_aside(state)
        if self._seen is None or self._damaged is not None:
            self._look(state)

    def _set_aside(self, state: StateFolder) -> None:
        try:
            (state.path / FILE).replace(state.path / ASIDE)
        except OSError as error:
            self._publish(LabelsUnavailable(why=f"{FILE} cannot be set aside: {error.strerror or error}"))

    def _look(self, state: StateFolder) -> None:
        try:
            seen = Seen(state.path)
            seen.check()
        except SeenDamaged as damaged:
            self._damage(damaged)
        except OSError as error:
            self._damage(SeenDamaged("labels-seen", error.strerror or str(error)))
        else:
            self._seen, self._damaged = seen, None

    def _damage(self, damaged: SeenDamaged) -> None:
        before, self._damaged = self._damaged, damaged
        if before is None or str(before) != str(damaged):
            self._publish(LabelsDamaged(file=damaged.file, why=damaged.why))

    def _save(self) -> None:
        """Keep the counts. Raises OSError."""
        declared, state, now = self.declared, self._state, self._wall()
        if state is None or not self._recalled:
            return
        if declared is not None:
            self.ledger.expire(now, declared.expire)
            if self._seen is not None and self._damaged is None:
                self._seen.expire(now - declared.expire)
        state.save(FILE, self.ledger.save())

    # ── the API ───────────────────────────────────────────────────────────────────────────────────────────────────

    async def take(self, labels: Sequence[Label], source: str) -> dict[str, Any]:
        """Count a batch of labels. Raises Refused, and then nothing of it was counted."""
        declared, keyring = self.declared, self._keyring
        if declared is None:
            raise Refused(409, "labels_off", "the policy in force has no `labels`")
        if keyring is None:
            raise Refused(503, "labels_unavailable", "the key of labels.key is not there")
        if self._waiting >= MOST_WAITING:
            raise Refused(429, "too_many_labels", f"{MOST_WAITING} batches wait already; send one after the other")
        self._waiting += 1
        try:
            rules = intake.Rules(keyring, declared.expire, self._wall())
            taken = await self._disk.run(lambda: self._take(labels, rules), WITHIN)
        except TimeoutError:
            raise Refused(503, "labels_unavailable", "the state folder hangs") from None
        finally:
            self._waiting -= 1
        for each in taken:
            self._note(each, source)
        return intake.outcomes(taken)

    def _note(self, taken: intake.Taken, source: str) -> None:
        path = taken.route.partition(" ")[2]
        key = (path, taken.version, source, taken.outcome)
        if key not in self.outcomes and len({name for _, _, name, _ in self.outcomes} | {source}) > MOST_SOURCES:
            key = (path, taken.version, "", taken.outcome)
        self.outcomes[key] += 1
        if taken.delay is not None:
            self.delays.setdefault(path, Histogram(AGES)).record(taken.delay)
        if taken.outcome in ("accepted", "corrected"):
            self.last_at = self._wall()

    def _take(self, labels: Sequence[Label], rules: intake.Rules) -> list[intake.Taken]:
        self._recall()
        if self._damaged is not None:
            raise Refused(503, "labels_damaged", f"the file {self._damaged}; nothing was counted")
        if self._seen is None:
            raise Refused(503, "labels_unavailable", "there is no state folder to note labels in; give guard --state-dir")
        try:
            return intake.take(labels, rules, self.ledger, self._seen)
        except SeenDamaged as damaged:
            self._damage(damaged)
            raise Refused(503, "labels_damaged", f"the file {damaged}; nothing was counted") from None
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise Refused(503, "labels_unavailable", f"labels cannot be noted: {why}; nothing was counted") from None

    async def figures(self) -> list[dict[str, Any]]:
        """The figures of each version; computed at most every ten seconds. Raises Refused."""
        if self.declared is None:
            return []
        if monotonic() - self._figures_at >= FIGURES_FOR:
            try:
                self._figures = await self._disk.run(self._computed, WITHIN)
            except TimeoutError:
                raise Refused(503, "labels_unavailable", "the state folder hangs") from None
            self._figures_at = monotonic()
        return self._figures

    def _computed(self) -> list[dict[str, Any]]:
        self._recall()
        self.ledger.fold(self._wall())
        return self.ledger.figures(self.rules, self._wall())

    @property
    def state(self) -> str:
        """`off`, `ok`, or why labels are not taken."""
        if self.declared is None:
            return "off"
        if self._keyring is None:
            return "no key"
        if self._damaged is not None:
            return f"damaged: {self._damaged}"
        return "ok" if self._state is not None else "no state folder"

    def counts(self) -> Mapping[str, int]:
        """Labels by outcome since the start."""
        totals: Counter[str] = Counter()
        for (_, _, _, outcome), count in self.outcomes.items():
            totals[outcome] += count
        return totals


def as_json(document: Mapping[str, Any]) -> bytes:
    """A document as the API has it."""
    return json.dumps(document, ensure_ascii=False).encode()
