"""Kubernetes: the candidate is a deployment beside the model's."""

from collections.abc import Iterator
from typing import Any, Final

from guard.kit.candidate.engines.programs import program
from guard.kit.candidate.engines.values import EngineStep, Outcome, Subject


class Kubernetes:
    """`candidate.engine.kubernetes`. Traffic stays guard's: no service or route is changed."""

    name: Final = "kubernetes"

    def __init__(self, declared: Any) -> None:
        self._command = ["kubectl", "--namespace", declared.namespace]
        self._deployment = f"deployment/{declared.deployment}"
        self._manifest = str(declared.manifest.path) if declared.manifest is not None else None

    def perform(self, step: EngineStep, subject: Subject) -> Iterator[Outcome]:
        """Apply the manifest and wait for the rollout, or scale the deployment to nothing."""
        del subject
        if step == "stage":
            if self._manifest is not None:
                applied = program([*self._command, "apply", "-f", self._manifest])
                yield applied
                if not applied.ok:
                    return
            yield program([*self._command, "rollout", "status", self._deployment, "--timeout=300s"])
        elif step == "abort":
            yield program([*self._command, "scale", self._deployment, "--replicas=0"])
