"""The shadow as the release path drives it: when copies are made, which evidence goes on, and what is kept of it."""

from collections.abc import Callable
from typing import Any, Final

from guard.candidate.paired import PairCounts, judge
from guard.candidate.release_state import Damaged, ReleaseState, Served
from guard.control import release_evidence
from guard.control.release_report import gates_of, tests_of
from guard.control.shadow import Shadower, Wallet
from guard.control.state import StateFolder
from guard.ladder.trial import CandidateShare
from guard.policy.candidate import Candidate
from guard.policy.models import Policy
from guard.policy.route import Route
from guard.targets.ledger import PICO

STAGES: Final = frozenset(("shadow", "aa"))


class ReleaseShadow:
    """The evidence of pairs. `harmed` is called with the reason once harm is proven."""

    def __init__(self, share: CandidateShare, wall: Callable[[], float], harmed: Callable[[str], None]) -> None:
        self.shadower = Shadower(share, wall, self._counted)
        self._harmed = harmed
        self._policy: Candidate | None = None
        self._about = ""
        self.running = False

    @property
    def counts(self) -> PairCounts:
        """The pairs so far."""
        return self.shadower.counts

    def recall(self, folder: StateFolder) -> None:
        """Read what was counted and paid before the restart. Raises OSError and Damaged."""
        document = release_evidence.read_shadow(folder)
        if not document:
            return
        self.shadower.wallet = Wallet(document.get("day", -1), document.get("spent", 0))
        try:
            self.shadower.counts, self._about = PairCounts.read(document), str(document["about"])
        except (ValueError, KeyError, TypeError) as error:
            raise Damaged(type(error).__name__) from None

    def apply(self, state: ReleaseState, candidate: Served | None, model: Served, whole: Policy | None) -> None:
        """Copy requests while that is ordered about the declared candidate. Another model, or comparison, begins anew."""
        self._policy = policy = whole.candidate if whole is not None else None
        shadow = policy.shadow if policy is not None else None
        ordered = candidate is not None and candidate.digest == state.digest and state.stage in STAGES
        if candidate is not None and policy is not None:
            compared = {key: compare.model_dump(mode="json") for key, compare in policy.compare.items()}
            about = f"{candidate.digest} {model.digest or model.url} {compared}"
            if about != self._about:
                self._about, self.shadower.counts = about, PairCounts()
        self.running = ordered and shadow is not None
        if self.running and shadow is not None and whole is not None:
            self.shadower.begin(shadow, _dearest(whole), noise=state.stage == "aa")
        else:
            self.shadower.stop()

    def forget(self) -> None:
        """Begin the evidence anew: an aborted candidate is tried again."""
        self.shadower.counts = PairCounts()

    def stop(self) -> None:
        """Copy nothing more, at once."""
        self.running = False
        self.shadower.stop()

    def document(self, *, last: bool) -> dict[str, Any]:
        """The evidence as it is kept. `last`: no more copies are made."""
        if last:
            self.stop()
        return {**self.shadower.document(), "about": self._about}

    def _counted(self, key: str) -> None:
        """Abort where the pairs of a route prove harm; the model against itself proves none."""
        policy = self._policy
        if policy is None or self.shadower.noise or not self.running:
            return
        tests, alarm = tests_of(policy), policy.abort.false_alarm
        for gate in gates_of(policy):
            if gate.route == key:
                judged = judge(self.counts, gate, tests, alarm, policy.pass_.false_pass)
                if judged.state == "fail":
                    self._harmed(f"{key} {gate.metric}: {judged.told()}")
                    return


def _dearest(policy: Policy) -> int:
    """Roughly the highest price of a call of the policy, in `PICO`: how much is leased at a time."""
    costs = [policy.targets.cost, *(route.cost for route in policy.routes.values() if isinstance(route, Route))]
    dearest = 0.0
    for cost in costs:
        if cost is not None:
            tokens = (
                (cost.per_million_input_tokens, 10_000),
                (cost.per_million_output_tokens, cost.max_output_tokens or 0),
            )
            amount = sum(price.amount * count / 1e6 for price, count in tokens if price is not None)
            dearest = max(dearest, amount + (cost.per_request.amount if cost.per_request is not None else 0.0))
    return round(dearest * PICO)
