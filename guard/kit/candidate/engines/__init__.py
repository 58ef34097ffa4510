"""Engines: what starts, stops and registers a candidate, where it is not guard.

Here: one file for each engine behind one interface, and the registry of them.
Not here: which step comes when (`guard.kit.candidate`), and traffic, which guard alone divides.

A program that is not installed is not an error of the step's own: the outcome says exactly what to run.

values       the interface: a step of a subject → outcomes
programs     a program is run, or what to run is said
compose      Docker Compose
kubernetes   kubectl
mlflow       an MLflow registry: versions, tags and aliases
command      a program of the user's
"""

from typing import Any

from guard.kit.candidate.engines.command import Command
from guard.kit.candidate.engines.compose import Compose
from guard.kit.candidate.engines.kubernetes import Kubernetes
from guard.kit.candidate.engines.mlflow import Mlflow
from guard.kit.candidate.engines.values import Engine

ENGINES = (Compose, Kubernetes, Mlflow, Command)
"""The engines. `name` is the key of the policy's `candidate.engine`, `declared` what stands there."""


def engine(declared: Any) -> Engine | None:
    """The engine of a policy's `candidate.engine`; None where people start the candidate."""
    for kind in ENGINES:
        own = getattr(declared, kind.name, None)
        if own is not None:
            return kind(own)
    return None
