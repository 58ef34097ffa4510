"""The candidate: the next release, how it is tried, and what decides about it."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal, Self

from pydantic import Field

from guard.policy.errors import among, listed, nearest, shown
from guard.policy.ladder import TargetTls
from guard.policy.policy_model import PolicyModel, Report
from guard.policy.release import Release
from guard.policy.route import Route
from guard.policy.scalars import Count, Duration, File, Number, Positive, Price, Rate, Server, Share, Span, String

HEADER: Final = "header:"
FIELD: Final = "field:"
MOST_STEPS: Final = 20


class ComposeEngine(PolicyModel):
    """A service of a Docker Compose file."""

    file: File = Field(description="The Compose file.")
    service: String = Field(description="Service of the file that runs the candidate.")


class KubernetesEngine(PolicyModel):
    """A deployment in Kubernetes."""

    manifest: File | None = Field(default=None, description="Manifest that is applied to start the candidate.")
    deployment: String = Field(description="Name of the deployment.")
    namespace: String = Field(default="default", description="Namespace of the deployment.")


class MlflowEngine(PolicyModel):
    """A registered model in an MLflow registry, whose aliases follow the release."""

    url: String = Field(description="URL of the MLflow server.")
    model: String = Field(description="Name of the registered model.")
    alias: String = Field(default="candidate", description="Alias of the candidate's version.")


class CandidateEngine(PolicyModel):
    """The engine that starts and stops the candidate's server."""

    compose: ComposeEngine | None = Field(default=None, description="Docker Compose.")
    kubernetes: KubernetesEngine | None = Field(default=None, description="Kubernetes.")
    mlflow: MlflowEngine | None = Field(default=None, description="An MLflow registry.")
    command: tuple[String, ...] | None = Field(default=None, min_length=1, description="A program and its arguments.")

    def finish(self, report: Report) -> Self:
        """One engine."""
        if sum(getattr(self, name) is not None for name in type(self).model_fields) != 1:
            report((), "an engine is exactly one", f"one of {listed(list(type(self).model_fields))}")
        return self


class CompareSlow(PolicyModel):
    """A number of an answer: how slow is slow, and how many more of the candidate's answers may be."""

    over: Span = Field(description="An answer that takes longer is slow.")
    by: Share = Field(description="Highest share of pairs, in excess, in which only the candidate is slow.")


class CompareLabel(PolicyModel):
    """An output whose values are compared for equality."""

    field: String = Field(description="Output that both models give.")
    disagree: Share = Field(description="Highest share of pairs in which the values differ.")


class CompareScore(PolicyModel):
    """A number among the outputs, which is compared with a tolerance."""

    field: String = Field(description="Output that both models give.")
    within: Number = Field(description="Difference up to which two numbers agree.")
    disagree: Share = Field(description="Highest share of pairs whose numbers differ by more.")


class Compare(PolicyModel):
    """Tolerances of one route: only those that are written here decide."""

    label: CompareLabel | None = Field(default=None, description="Disagreement in a label.")
    score: CompareScore | None = Field(default=None, description="Disagreement in a score.")
    invalid: Share | None = Field(default=None, description="Highest excess of answers that break the output contract.")
    failed: Share | None = Field(default=None, description="Highest excess of failed calls.")
    slow: CompareSlow | None = Field(default=None, description="Highest excess of slow answers.")


class CanaryStep(PolicyModel):
    """The least and the most of one step."""

    at_least: Duration = Field(default=900.0, description="Shortest time of a step.")
    requests: Count = Field(default=500, description="Requests that the candidate is asked in a step before the next.")


class Canary(PolicyModel):
    """Steps in which the candidate answers clients."""

    steps: tuple[Share, ...] = Field(
        min_length=1, max_length=MOST_STEPS, description="Shares of the keys that the candidate answers, rising."
    )
    step: CanaryStep = Field(default=CanaryStep.model_construct(), description="What a step has to see.")

    def finish(self, report: Report) -> Self:
        """Shares that rise, above nothing."""
        for index, share in enumerate(self.steps):
            if share <= (self.steps[index - 1] if index else 0):
                report(("steps", index), "a step is a larger share than the one before", "shares that rise, such as 1%, 5%")
        return self


class Shadow(PolicyModel):
    """Copies of requests that the candidate is asked after the client has its answer."""

    share: Share = Field(default=0.05, description="Share of requests that are copied.")
    side_effects: Literal["none"] = Field(description="`none`: asking twice changes nothing. Without it nothing is copied.")
    rate: Rate = Field(default=20.0, description="Most copies in a second.")
    concurrency: Positive = Field(default=4, description="Copies at once; none waits.")
    load_below: Share = Field(default=0.7, description="Share of the model's slots in use from which nothing is copied.")
    daily: Price | None = Field(default=None, description="Most money for copies in a day, by `targets.cost`.")


class CandidateAbort(PolicyModel):
    """Certainty with which guard aborts a candidate."""

    false_alarm: Share = Field(default=0.01, description="Chance that a candidate that is good enough is ever aborted.")


class CandidatePass(PolicyModel):
    """Certainty with which a candidate passes."""

    false_pass: Share = Field(default=0.05, description="Chance that a candidate that is not good enough ever passes.")


class Candidate(PolicyModel):
    """The next release. What is declared here only allows; orders (`guard release shadow | canary`) begin it."""

    release: Release = Field(description="Path of the candidate's release record, or its content.")
    url: Server | None = Field(default=None, description="URL of its model server; without it, it is only registered.")
    tls: TargetTls | None = Field(default=None, description="TLS settings for its model server.")
    engine: CandidateEngine | None = Field(default=None, description="What starts its server; without it, people do.")
    key: String | None = Field(
        default=None,
        description="Who stays with the candidate: `header:NAME` or `field:NAME`; without it, each request is drawn anew.",
    )
    shadow: Shadow | None = Field(default=None, description="Copies of requests.")
    compare: dict[String, Compare] = Field(default_factory=dict, description="What decides, by route.")
    canary: Canary | None = Field(default=None, description="Steps of its share of live requests.")
    abort: CandidateAbort = Field(default=CandidateAbort.model_construct(), description="When it is aborted.")
    pass_: CandidatePass = Field(default=CandidatePass.model_construct(), alias="pass", description="When it passes.")
    promote: Literal["manual"] = Field(default="manual", description="Who promotes it: a person.")
    retain: Duration = Field(default=86400.0, description="How long the model before stays up after a promotion.")

    def check(self, routes: Mapping[str, Any], report: Report) -> None:
        """Report keys, routes and fields that the policy does not declare."""
        for path, message, expected, close in (*self._key(routes), *self._compared(routes)):
            report(("candidate", *path), message, expected, close)

    def _key(self, routes: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], str, str, str]]:
        key = self.key or HEADER
        name = key.removeprefix(HEADER).removeprefix(FIELD)
        declared = [field for route in routes.values() if isinstance(route, Route) for field in route.inputs]
        if not key.startswith((HEADER, FIELD)):
            yield ("key",), f"{shown(key)} is no key of a person", "header:x-customer-id or field:customer_id", ""
        elif key.startswith(FIELD) and name not in declared:
            yield ("key",), f"{shown(name)} is not a declared field", among(declared), nearest(name, declared)
        elif self.key is not None and not name:
            yield ("key",), "a key without a name", "header:x-customer-id or field:customer_id", ""

    def _compared(self, routes: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], str, str, str]]:
        for key, compare in self.compare.items():
            route = routes.get(key)
            if not isinstance(route, Route):
                known = [name for name, each in routes.items() if isinstance(each, Route)]
                yield ("compare", key), f"{shown(key)} is no route with a contract", among(known), nearest(key, known)
                continue
            outputs = list(route.outputs)
            for word, item in (("label", compare.label), ("score", compare.score)):
                if item is not None and item.field not in outputs:
                    path = ("compare", key, word, "field")
                    yield (
                        path,
                        f"{shown(item.field)} is not a declared output",
                        among(outputs),
                        nearest(item.field, outputs),
                    )
