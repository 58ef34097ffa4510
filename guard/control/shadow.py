"""The shadow: copies of requests that the model has answered go to the candidate, and both answers make a pair.

A copy begins after the reply was written, and nobody waits for it. It has slots, a rate and money of its own, and is passed
over where one of them, or the model's slots, are short: nothing is queued. Whom it concerns is drawn by HMAC. The same
document counts once, and the same key once a minute, as the evidence is of requests that do not depend on each other.
Of both answers only whether they are bad, and whether they agree, leaves this file.
"""

import asyncio
from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from hashlib import blake2b
from hmac import digest
from math import ceil, inf
from os import urandom
from time import monotonic
from typing import Any, Final

from guard.candidate.paired import PairCounts
from guard.control.shadow_call import Copy
from guard.ladder.limits import ConcurrencyLimiter
from guard.ladder.trial import BUCKETS, CandidateShare, Trial
from guard.policy.candidate import Shadow
from guard.policy.compiling.comparison import Comparison
from guard.proxy.acceptance import OURS, accept
from guard.proxy.context import Context, RungAttempt
from guard.proxy.probe import Unticketed
from guard.proxy.values import Allow, Answer, Attempt, Call, Closed, Deny, Failed, Permit
from guard.targets.ledger import DAY, PICO

DOCUMENTS: Final = 131_072
"""Digests of documents that are remembered: 1 MiB."""
MINUTE: Final = 60.0
AHEAD: Final = 10.0
"""Seconds of copies that are paid for on disk in advance, so that a kill never makes a day dearer."""
RESERVE: Final = 0.5
"""Share of guard's buffers from which nothing is copied."""


class Wallet:
    """The money of a day, in `PICO`. What is `leased` is on disk as spent."""

    def __init__(self, day: int = -1, spent: int = 0) -> None:
        self.day, self.spent, self.leased = day, spent, spent
        """Money on disk as spent; after a restart all of it counts as spent."""

    def take(self, price: int, limit: int, day: int) -> bool:
        """Spend the price of one copy, if the day has it."""
        if day != self.day:
            self.day, self.spent, self.leased = day, 0, 0
        if self.spent + price > min(limit, self.leased):
            return False
        self.spent += price
        return True

    def granted(self, day: int, leased: int) -> None:
        """So much of a day is on disk as spent."""
        if day != self.day:
            self.day, self.spent = day, 0
        self.leased = leased

    def lease(self, price: int, limit: int, day: int, copies: int) -> int:
        """The sum that has to be on disk before more is spent."""
        spent = self.spent if day == self.day else 0
        return min(max(limit, spent), spent + price * copies)


class Shadower:
    """Implements `ladder.trial.Copier`. `counted` is called after each pair with the route's key."""

    def __init__(self, share: CandidateShare, wall: Callable[[], float], counted: Callable[[str], None]) -> None:
        self.counts = PairCounts()
        self.wallet = Wallet()
        self.passed: Counter[str] = Counter()
        """Requests that were not copied, by cause, since the start of the process."""
        self.noise = False
        """An A/A run: copies go to the model itself."""
        self.dearest = 0
        """The highest price of a copy, in `PICO`."""
        self._share, self._wall, self._counted = share, wall, counted
        self._declared: Shadow | None = None
        self._buckets = self._busy = 0
        self._tokens, self._filled_at = 1.0, 0.0
        self._secret = urandom(16)
        self._documents: array[int] | None = None
        self._keys: set[bytes] = set()
        self._keys_until = 0.0
        self._copies: set[Copy] = set()

    @property
    def limit(self) -> int:
        """The money of a day, in `PICO`; 0: no limit."""
        daily = self._declared.daily if self._declared is not None else None
        return round(daily.amount * PICO) if daily is not None else 0

    def begin(self, declared: Shadow, dearest: int, *, noise: bool) -> None:
        """Copy requests from now on. `dearest`: the highest price of a copy, in `PICO`."""
        self._declared, self.dearest, self.noise = declared, dearest, noise
        self._buckets = round(declared.share * BUCKETS)
        if self._documents is None:
            self._documents = array("Q", bytes(8 * DOCUMENTS))
        self._share.copier = self

    def stop(self) -> None:
        """Copy nothing more, and forget the copies under way."""
        self._share.copier = None
        self._declared = None
        for copy in tuple(self._copies):
            copy.cancel()
        self._documents = None

    # ── choice ────────────────────────────────────────────────────────────────────────────────────────────────────

    def offer(self, trial: Trial, permit: Permit, answer: Answer, broken: bool) -> None:  # noqa: FBT001
        """Choose, and let the copy begin once the reply is written."""
        drawn = digest(self._share.secret, b"s" + permit.request_id.encode(), "sha256")
        comparison, declared = trial.comparison, self._declared
        if int.from_bytes(drawn[:8], "big") % BUCKETS >= self._buckets or declared is None:
            return
        if not isinstance(comparison, Comparison) or permit.breaks or type(permit.body) is not bytes:
            return
        message = permit.message
        if message is not None and (message.stream or message.once):
            self.passed["stream" if message.stream else "once"] += 1
            return
        cause = self._passed_over(trial, permit, comparison, declared, monotonic())
        if cause:
            self.passed[cause] += 1
            return
        self._busy += 1
        asyncio.get_running_loop().call_soon(self._begin, trial, comparison, permit, answer, broken)

    def _passed_over(self, trial: Trial, permit: Permit, comparison: Comparison, declared: Shadow, now: float) -> str:
        """The cause not to copy a request; empty where it is copied. What is passed over for load counts as chosen."""
        mark, key = self._marks(trial, permit, now)
        documents = self._documents
        if documents is None or documents[mark % DOCUMENTS] == mark or key in self._keys:
            return "seen"
        self._tokens = min(max(1.0, declared.rate), self._tokens + (now - self._filled_at) * declared.rate)
        self._filled_at = now
        if self._tokens < 1.0:
            return "rate"
        price, limit = comparison.worth(len(permit.body) if type(permit.body) is bytes else 0), self.limit
        if limit and not self.wallet.take(price, limit, int(self._wall() // DAY)):
            return "money"
        self._tokens -= 1.0
        self.counts.chosen += 1
        cause = "slots" if self._busy >= declared.concurrency else "load" if _loaded(comparison, declared) else ""
        if cause:
            self.wallet.spent -= price if limit else 0
            return cause
        documents[mark % DOCUMENTS] = mark
        self._keys.add(key)
        return ""

    def _marks(self, trial: Trial, permit: Permit, now: float) -> tuple[int, bytes]:
        """Digests of the document and of its key, under a secret of this process."""
        if now >= self._keys_until:
            self._keys.clear()
            self._keys_until = now + MINUTE
        body = permit.body if type(permit.body) is bytes else b""
        mark = blake2b(permit.head.target + b"\n" + body, digest_size=8, key=self._secret).digest()
        return int.from_bytes(mark, "big"), trial.key_of(permit)

    # ── a copy ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _begin(self, trial: Trial, comparison: Comparison, permit: Permit, answer: Answer, broken: bool) -> None:  # noqa: FBT001
        now, route = monotonic(), permit.route
        target = comparison.model if self.noise else comparison.candidate
        if target.closed is not None or self._declared is None:
            self._busy -= 1
            self.counts.chosen -= 1
            self.passed["mode"] += 1
            return
        headers = [*permit.forward, (b"x-guard-shadow", b"1")]
        until = now + comparison.model.attempt
        call = Call(target, permit.head, headers, permit.body, route.collect, until, Unticketed(), deadline=inf)
        noise = self.noise

        def ended(outcome: Answer | Failed) -> None:
            self._busy -= 1
            self._copies.discard(copy)
            if self._declared is None:
                self.counts.chosen -= 1
                return
            attempt = RungAttempt(trial.candidate, now)
            attempt.call, attempt.account = call, Attempt(target, now)
            self._judge(comparison, permit, attempt, answer, broken, outcome, noise=noise)

        copy = Copy(call, ended)
        self._copies.add(copy)
        copy.begin()

    def _judge(
        self, comparison: Comparison, permit: Permit, attempt: RungAttempt, model: Answer, broken: bool,  # noqa: FBT001
        outcome: Answer | Failed, *, noise: bool,
    ) -> None:  # fmt: skip
        """Count a pair."""
        now, compare, key = monotonic(), comparison.compare, comparison.key
        context = Context(permit.head, permit.request_id, attempt.asked_at)
        judged = accept(context, permit, attempt, outcome, now, self)  # type: ignore[arg-type]
        reason = judged.reason if isinstance(judged, Closed) else None
        if (reason in OURS and reason != "backoff") or (isinstance(outcome, Failed) and outcome.ours):
            self.passed["ours"] += 1
            self.counts.chosen -= 1
            return
        self.counts.compared += 1
        invalid = reason == "invalid" or (reason is None and bool(attempt.violations))
        failed = reason is not None and not invalid
        if not noise:
            if compare.failed is not None:
                self.counts.note(key, "failed", failed, False)
            if compare.invalid is not None and not failed:
                self.counts.note(key, "invalid", invalid, broken)
            if compare.slow is not None:
                took = outcome.end_at - outcome.called_at if isinstance(outcome, Answer) else now - attempt.asked_at
                over = compare.slow.over
                self.counts.note(key, "slow", took > over, model.end_at - model.called_at > over)
        if isinstance(judged, Answer) and not invalid and not broken:
            self._compare(comparison, permit, model, judged, noise=noise)
        self._counted(key)

    def wall(self, now: float) -> float:
        """Seconds since the epoch: `accept` reads Retry-After by it."""
        return self._wall() + now - monotonic()

    def _compare(self, comparison: Comparison, permit: Permit, model: Answer, other: Answer, *, noise: bool) -> None:
        """Whether the outputs of two valid answers agree."""
        documents = [_document(permit, answer) for answer in (model, other)]
        label, score, compare, key = comparison.label, comparison.score, comparison.compare, comparison.key
        if label is not None:
            ours, theirs = (_flat(label(document)) for document in documents)
            self.counts.note(key, "label", ours != theirs, False, noise=noise)
            if len(ours) == len(theirs) == 1 and not noise:
                for one in comparison.classes:
                    self.counts.note(key, f"class {one}", theirs[0] == one, ours[0] == one)
        if score is not None and compare.score is not None:
            ours, theirs = (_flat(score(document)) for document in documents)
            self.counts.note(key, "score", not _near(ours, theirs, compare.score.within), False, noise=noise)

    def document(self) -> dict[str, Any]:
        """The state that is kept over a restart; the money includes what is leased until the next time."""
        day = int(self._wall() // DAY)
        copies = ceil((self._declared.rate if self._declared is not None else 0) * AHEAD)
        spent = self.wallet.lease(self.dearest, self.limit, day, copies)
        return {**self.counts.document(), "day": day, "spent": spent}


def _loaded(comparison: Comparison, declared: Shadow) -> bool:
    """Whether the model's slots, or guard's buffers, are too full for a copy."""
    limiter, budget = comparison.model.limiter, getattr(comparison.candidate.pool, "budget", None)
    assert isinstance(limiter, ConcurrencyLimiter)
    if limiter.waiting or limiter.held >= declared.load_below * limiter.concurrency:
        return True
    return budget is not None and budget.used > RESERVE * budget.limit


def _document(permit: Permit, answer: Answer) -> object:
    """An answer as the document of the contract."""
    output = permit.route.output
    if output is None:
        return None
    verdict: Allow | Deny = output.judge(answer.body, permit.rows, answer.headers)
    return verdict.document


def _flat(values: Sequence[Sequence[object]]) -> list[object]:
    return [value for row in values for value in row]


def _near(ours: list[object], theirs: list[object], within: float) -> bool:
    if len(ours) != len(theirs):
        return False
    for one, other in zip(ours, theirs, strict=True):
        if isinstance(one, int | float) and isinstance(other, int | float):
            if abs(one - other) > within:
                return False
        elif one != other:
            return False
    return True
