"""The way of the next release: who is asked of it, what its answers prove, and which release is the model.

Decided here: the candidate's share of the keys, its abort, promotion and rollback. Every order is in `release.json` before
it is answered; lowering (abort, rollback) takes effect before any disk. `take` is the sink of records: live arms are judged
with each batch, in every state, and they only abort. The history and the audit follow in a thread.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, Final

from guard import events
from guard.candidate import arms as live
from guard.candidate.arms import BUCKETS, Arms
from guard.candidate.release_state import NAME, Damaged, ReleaseState, Roles, Served, Stage, decode, encode
from guard.control import release_evidence
from guard.control.order_store import Refused
from guard.control.release_history import ReleaseHistory
from guard.control.release_report import Report, document, tests_of
from guard.control.release_shadow import STAGES, ReleaseShadow
from guard.control.state import StateFolder
from guard.control.worker import Worker
from guard.ladder.trial import CandidateShare
from guard.policy.candidate import Candidate
from guard.policy.compiling.context import declared_candidate, declared_release
from guard.policy.errors import PolicyInvalid
from guard.policy.loading import Loaded
from guard.policy.models import Policy
from guard.proxy.values import CANDIDATE, Record

DISK_WITHIN: Final = 5.0
SAVE_EVERY: Final = 5.0
FAILED: Final = 500
OURS: Final = frozenset(
    ("mode", "kill_file", "forced", "breaker_open", "backoff", "overloaded", "no_time", "burn", "budget")
)
"""Reasons that say nothing of a model."""


class ReleasePath:
    """Implements `policy.compiling.Releases`. `frozen` says why promotions and steps wait; empty where they need not."""

    def __init__(
        self, *, wall: Callable[[], float], publish: events.Publish, audit: Callable[[dict[str, object]], None],
        frozen: Callable[[], str],
    ) -> None:  # fmt: skip
        self.share = CandidateShare()
        self.state = ReleaseState()
        self.arms: list[Arms] = []
        self.recompile: Callable[[], Awaitable[None]]
        """Compiles the policy in force anew; set before the first order."""
        self._wall, self._publish, self._audit, self._frozen = wall, publish, audit, frozen
        self._folder: StateFolder | None = None
        self._history: ReleaseHistory | None = None
        self._worker = Worker("guard-release")
        self._loaded: Loaded | None = None
        self._turn = asyncio.Lock()
        self._unsaved = False
        self.shadow = ReleaseShadow(self.share, wall, lambda why: self._stop("guard", why))

    # ── start and reload ──────────────────────────────────────────────────────────────────────────────────────────

    def begin(self, folder: StateFolder | None) -> None:
        """Read what was decided before the restart. A file that cannot be read leaves the policy's own model in force."""
        self._folder = folder
        if folder is None:
            return
        self._history = ReleaseHistory(folder.path)
        try:
            raw = folder.read(NAME)
            self.state = decode(raw) if raw is not None else ReleaseState()
            self.arms = release_evidence.read(folder, self.state.digest)
            self.shadow.recall(folder)
        except (OSError, Damaged) as error:
            self._publish(events.StateUnavailable(why=f"{NAME} cannot be read ({error}): no candidate is asked"))

    def roles(self, declared: Served) -> Roles | None:
        """The roles in place of what the policy declares."""
        return self.state.in_force(declared)

    def adopt(self, loaded: Loaded) -> None:
        """A policy is in force: the candidate is asked only if it is the one that was ordered."""
        first, self._loaded = self._loaded is None, loaded
        self._apply()
        roles = self.roles(self.declared)
        if first and roles is not None:
            model = roles.model
            self._publish(events.ReleaseRecalled(model=model.version, url=model.url, declared=self.declared.version))

    def _apply(self) -> None:
        candidate, running = self.candidate, self.state.stage == "canary"
        same = candidate is not None and candidate.digest == self.state.digest
        if candidate is not None:
            self.share.secret = candidate.digest.encode()
        self.share.buckets = self._step_buckets(self.state.step) if running and same else 0
        if self.share.buckets and (not self.arms or self.arms[-1].buckets != self.share.buckets):
            self.arms = [*self.arms, Arms(self.share.buckets)]
        roles = self.roles(self.declared)
        self.shadow.apply(self.state, candidate, roles.model if roles is not None else self.declared, self._whole)

    @property
    def declared(self) -> Served:
        """The release that the policy declares for the model."""
        assert self._loaded is not None
        return declared_release(self._loaded.policy)

    @property
    def candidate(self) -> Served | None:
        """The declared candidate that is not the model yet."""
        served = declared_candidate(self._loaded.policy) if self._loaded is not None else None
        roles = self.roles(self.declared) if served is not None else None
        return None if served is None or (roles is not None and roles.model == served) else served

    @property
    def _policy(self) -> Candidate | None:
        return self._loaded.policy.candidate if self._loaded is not None else None

    @property
    def _whole(self) -> Policy | None:
        return self._loaded.policy if self._loaded is not None else None

    def _step_buckets(self, step: int) -> int:
        declared = self._policy
        steps = declared.canary.steps if declared is not None and declared.canary is not None else ()
        return round(steps[step - 1] * BUCKETS) if 0 < step <= len(steps) else 0

    # ── evidence ──────────────────────────────────────────────────────────────────────────────────────────────────

    def take(self, records: Iterator[Record]) -> None:
        """Count who was asked first, and whether that went wrong; abort where harm is proven."""
        fresh = False
        buckets = self.share.buckets
        for record in records:
            if record.bucket < 0 or not buckets or not record.attempts or not self.arms:
                continue
            candidate = record.attempts[0].target.source == CANDIDATE
            if candidate != (record.bucket < buckets):
                continue  # the share has changed since
            fresh |= self.arms[-1].note(record.bucket, candidate=candidate, bad=_went_wrong(record))
            self._unsaved = True
        declared = self._policy
        if fresh and declared is not None and live.harmful(self.arms, tests_of(declared), declared.abort.false_alarm):
            self._stop("guard", self.arms[-1].told())

    def _stop(self, who: str, why: str) -> None:
        """Ask the candidate nothing more, at once; the disk follows."""
        self.share.buckets = 0
        self.shadow.stop()
        self._unsaved = True
        digest = self.state.digest
        self._change(stage="aborted", aborted=self.state.aborting(digest, why))
        version = self.candidate.version if self.candidate is not None else ""
        self._publish(events.CandidateAborted(candidate=version, digest=digest, who=who, why=why))
        self._later(self.state, {"what": "abort", "who": who, "candidate": version, "digest": digest, "why": why})

    async def watch(self) -> None:
        """Keep the evidence, for ever: a restart loses at most SAVE_EVERY seconds of it."""
        while True:
            await asyncio.sleep(SAVE_EVERY)
            await self.save()

    async def save(self, *, last: bool = False) -> None:
        """Write the evidence, if there is more than was written. `last`: no copy is paid for in advance."""
        if (self._unsaved or self.shadow.running) and self._folder is not None:
            self._unsaved = False
            pairs = self.shadow.document(last=last)
            content = release_evidence.encode(self.state.digest, self.arms, pairs)
            await self._worker.run(partial(self._folder.save, release_evidence.NAME, content), DISK_WITHIN)
            self.shadow.shadower.wallet.granted(pairs["day"], pairs["spent"])

    # ── orders ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def order(
        self, kind: str, *, reason: str, who: str, epoch: int | None = None, step: int | None = None,
        override: str | None = None, again: str | None = None, noise: bool = False,
    ) -> dict[str, Any]:  # fmt: skip
        """Give an order. Raises Refused, and then nothing has changed."""
        if kind == "abort" and self.state.stage in {"canary", *STAGES}:
            self.share.buckets, self.share.copier = 0, None  # before anybody else's turn
        async with self._turn:
            if epoch is not None and epoch != self.state.epoch:
                raise Refused(412, "epoch", "another order came first; read the release again")
            match kind:
                case "canary":
                    await self._canary(reason, who, step, again)
                case "shadow":
                    await self._shadow(reason, who, again, noise=noise)
                case "abort":
                    self._abort(reason, who)
                case "promote":
                    await self._promote(reason, who, override)
                case _:
                    await self._rollback(reason, who)
        return await self.document()

    def _needed(self) -> Served:
        candidate = self.candidate
        if candidate is None:
            why = "it is the model already" if self._policy is not None and self._policy.url else "the policy names none"
            raise Refused(409, "candidate", f"there is no candidate with a url: {why}")
        return candidate

    async def _canary(self, reason: str, who: str, step: int | None, again: str | None) -> None:
        candidate, declared, state = self._needed(), self._policy, self.state
        if declared is None or declared.canary is None:
            raise Refused(409, "canary", "the policy declares no candidate.canary with its steps")
        latched = self._may_begin(candidate, again)
        report = self._report()
        if declared.shadow is not None and report.pairs and not report.shadow_passed:
            raise Refused(409, "gates", "the shadow has not passed; `guard release shadow` first", report.missing())
        running = state.digest == candidate.digest and state.stage == "canary"
        wanted = step if step is not None else state.step + 1 if running else 1
        if not 0 < wanted <= len(declared.canary.steps):
            raise Refused(409, "step", f"there are {len(declared.canary.steps)} steps; {state.step} is in force")
        if wanted > 1 and wanted > (state.step if running else 0):
            self._may_rise(wanted, declared.canary.step.at_least, declared.canary.step.requests, running=running)
        await self._enter("canary", candidate, wanted, who, latched=latched)
        self._account("canary", candidate, f"step {wanted}, {declared.canary.steps[wanted - 1]:.2%}", reason, who)

    def _may_begin(self, candidate: Served, again: str | None) -> bool:
        """Whether the candidate was aborted and may be tried again. Raises Refused."""
        aborted = self.state.aborted
        latched = candidate.digest in aborted
        if latched and not again:
            raise Refused(409, "aborted", f"this digest was aborted ({aborted[candidate.digest]}); say again: REASON")
        if frozen := self._frozen():
            raise Refused(409, "frozen", frozen)
        return latched

    async def _enter(self, stage: Stage, candidate: Served, step: int, who: str, *, latched: bool) -> None:
        """Begin a stage; evidence of the same candidate goes on, unless it was aborted."""
        state = self.state
        aborted = {digest: why for digest, why in state.aborted.items() if digest != candidate.digest}
        kept = state.digest == candidate.digest and not latched
        after = replace(
            state, epoch=state.epoch + 1, digest=candidate.digest, stage=stage, step=step, since=self._wall(),
            aborted=aborted,
        )  # fmt: skip
        await self._durable(after)
        if latched:
            self._publish(events.CandidateAgain(candidate=candidate.version, digest=candidate.digest, who=who))
            self.shadow.forget()
        self.arms = self.arms if kept else []
        self._unsaved = True
        self._apply()

    async def _shadow(self, reason: str, who: str, again: str | None, *, noise: bool) -> None:
        candidate, declared = self._needed(), self._policy
        if declared is None or declared.shadow is None:
            raise Refused(409, "shadow", "the policy declares no candidate.shadow with `side_effects: none`")
        latched = self._may_begin(candidate, again)
        await self._enter("aa" if noise else "shadow", candidate, 0, who, latched=latched)
        self._account("shadow", candidate, f"{'A/A, ' if noise else ''}{declared.shadow.share:.2%}", reason, who)
        with suppress(OSError, TimeoutError):
            await self.save()

    def _may_rise(self, wanted: int, at_least: float, requests: int, *, running: bool) -> None:
        asked = self.arms[-1].requests if self.arms else 0
        passed = self._wall() - self.state.since
        if not running or wanted != self.state.step + 1:
            raise Refused(409, "step", "steps rise one by one, from the first")
        if passed < at_least or asked < requests:
            raise Refused(409, "step", f"the step has {asked} of {requests} requests and {passed:.0f} of {at_least:.0f} s")
        if live.crooked(self.arms):
            raise Refused(409, "withheld", "more keys came to the candidate than its share")

    def _abort(self, reason: str, who: str) -> None:
        candidate = self._needed()
        if self.state.digest != candidate.digest:
            self.state, self.arms = replace(self.state, digest=candidate.digest, step=0), []
        if self.state.stage != "aborted":
            self._stop(who, reason)
            self._account("abort", candidate, "", reason, who)

    async def _promote(self, reason: str, who: str, override: str | None) -> None:
        candidate = self._needed()
        if frozen := self._frozen():
            raise Refused(409, "frozen", frozen)
        if candidate.digest in self.state.aborted:
            raise Refused(409, "aborted", f"this digest was aborted ({self.state.aborted[candidate.digest]})")
        report = self._report()
        if report.verdict != "pass" and not override:
            why = f"verdict {report.verdict}: {report.why}; say override: REASON to promote it"
            raise Refused(409, "gates", why, report.missing())
        declared, before = self.declared, self.state
        roles = self.roles(declared)
        model = roles.model if roles is not None else declared
        changed = replace(
            before, epoch=before.epoch + 1, roles=Roles(declared, candidate, model), digest=candidate.digest,
            stage="promoted", step=0, since=self._wall(),
        )  # fmt: skip
        await self._roles_to(changed)
        self._account("promote", candidate, f"override: {override}" if override else "", reason, who)

    async def _rollback(self, reason: str, who: str) -> None:
        declared, before = self.declared, self.state
        roles = before.roles
        if roles is None or (roles.base != declared and roles.model.digest != declared.digest):
            raise Refused(409, "previous", "nothing was promoted that could be rolled back")
        back = roles.previous
        undone = None if back == declared else Roles(declared, back, roles.model)
        why = f"rolled back: {reason}"
        changed = replace(
            before, epoch=before.epoch + 1, roles=undone, digest=roles.model.digest, stage="aborted", step=0,
            since=self._wall(), aborted=before.aborting(roles.model.digest, why),
        )  # fmt: skip
        await self._roles_to(changed, gated=False)
        self._account("rollback", roles.model, f"{back.version or back.url} is the model again", reason, who)

    async def _roles_to(self, changed: ReleaseState, *, gated: bool = True) -> None:
        """Change roles: one durable write, and then the plan. Without a disk only a rollback goes on."""
        before, self._unsaved = self.state, True
        try:
            await self._durable(changed)
        except Refused:
            if gated:
                raise
            self.state = changed
        try:
            await self.recompile()
        except PolicyInvalid as invalid:
            await self._durable(before)
            raise Refused(409, "policy", f"the policy does not compile with these roles: {invalid}") from None

    # ── account ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _change(self, *, stage: Stage, aborted: Any) -> None:
        self.state = replace(self.state, epoch=self.state.epoch + 1, stage=stage, aborted=aborted, since=self._wall())

    async def _durable(self, state: ReleaseState) -> None:
        """Bring a state in force once it is on disk. Raises Refused."""
        if self._folder is None:
            raise Refused(503, "state", "there is no state folder, so the order would not survive a restart")
        try:
            await self._worker.run(partial(self._folder.save, NAME, encode(state)), DISK_WITHIN)
        except (OSError, TimeoutError) as error:
            raise Refused(503, "state", f"the order cannot be written: {error or 'the disk hangs'}") from None
        self.state = state

    def _later(self, state: ReleaseState, entry: dict[str, Any]) -> None:
        """Write the state and a line of the history in the thread, in the order in which they were decided."""
        if self._folder is not None:
            self._worker.submit(partial(self._folder.save, NAME, encode(state))).add_done_callback(self._failed)
        if self._history is not None:
            line = {"at": self._wall(), "epoch": state.epoch, **entry}
            self._worker.submit(partial(self._history.append, line)).add_done_callback(self._failed)

    def _failed(self, done: "asyncio.Future[None]") -> None:
        error = None if done.cancelled() else done.exception()
        if error is not None:
            self._publish(events.StateUnavailable(why=str(error)))

    def _account(self, what: str, candidate: Served, detail: str, reason: str, who: str) -> None:
        epoch = self.state.epoch
        given = events.ReleaseOrdered(
            who=who, route=None, order=what, candidate=candidate.version, detail=detail, why=reason, epoch=epoch
        )
        self._publish(given)
        self._audit({"what": given.name, **given.keys()})
        if what != "abort":  # which has its line already
            line = {"what": what, "who": who, "candidate": candidate.version, "digest": candidate.digest}
            self._later(self.state, {**line, "detail": detail, "why": reason})

    # ── reports ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _report(self) -> Report:
        return Report(self.state, self.arms, self.candidate, self._policy, self._wall(), self.shadow.counts)

    def verdict(self) -> dict[str, Any]:
        """Whether the candidate may become the model, with the numbers of each gate."""
        return {**self._report().document(), "passed_over": dict(self.shadow.shadower.passed)}

    async def document(self) -> dict[str, Any]:
        """The roles, the stage, the verdict and the newest lines of the history."""
        history: list[dict[str, Any]] = []
        if self._history is not None:
            history = await self._worker.run(partial(self._history.newest, 50), DISK_WITHIN)
        found = document(self._report(), self.declared, self.roles(self.declared), history)
        return {**found, "verdict": self.verdict()}


def _went_wrong(record: Record) -> bool:
    """Whether the first model that was asked gave no answer for the client, by its own doing."""
    if not record.descents:
        return record.code == "upstream_refused"
    reason = record.descents[0][1]
    return reason not in OURS or (reason == "backoff" and record.attempts[0].status >= FAILED)
