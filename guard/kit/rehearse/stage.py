"""The subject of a rehearsal: the policy, the guard that serves it, and the access to both."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from guard.cli.operate import Where
from guard.kit.rehearse.canaries import Cage
from guard.kit.rehearse.client import Client
from guard.kit.rehearse.files import Example
from guard.kit.rehearse.progress import Progress
from guard.kit.rehearse.subject import Subject
from guard.kit.rehearse.values import Got, Request
from guard.policy.compiled import CompiledPlan
from guard.policy.loading import Loaded

MOST_LOG: Final = 32 << 20
"""Bytes of guard's log that are searched, the latest."""
_RESIDENT: Final = re.compile(r"^process_memory_usage\w*(?:\{[^}]*\})? ([0-9.eE+]+)$", re.MULTILINE)
_DIGEST: Final = re.compile(r'^guard_policy_info\{[^}]*guard_policy_digest="([^"]*)"', re.MULTILINE)


@dataclass(slots=True)
class Options:
    """Options of the command line."""

    seconds: float
    clients: int
    seed: int
    quick: bool
    direct: bool
    drill: bool
    parts: frozenset[str]
    model_pid: int | None


@dataclass(slots=True)
class Stage:
    """`own`: this guard was started here, for the rehearsal alone."""

    loaded: Loaded
    plan: CompiledPlan
    policy: Path
    options: Options
    where: Where
    data: str
    ops: str | None
    upstream: str
    own: bool
    client: Client
    progress: Progress
    subjects: list[Subject]
    wall: float
    examples: list[Example | tuple[str, str]]
    log: Path | None = None
    pid: int | None = None
    cage: Cage = field(default_factory=Cage)
    clock: Callable[[], float] = time.monotonic
    began: float = 0.0
    verify: Any = True  # by what the data listener is believed: True, or an SSL context
    upstream_verify: Any = True  # the same for the model server

    def ask(self, request: Request) -> Got:
        """One request, through guard."""
        return self.client.ask(request)

    def remaining(self, share: float = 1.0) -> float:
        """Seconds until that share of the time is over; never below zero."""
        return max(0.0, self.began + self.options.seconds * share - self.clock())

    def page(self) -> str:
        """The metrics page; empty without an ops listener, or if it does not answer."""
        if self.ops is None:
            return ""
        with Client(self.ops, verify=True, within=5.0) as client:
            got = client.ask(Request("GET", "/metrics", (), b""))
        return got.body.decode("utf-8", "replace") if got.status == 200 else ""

    def served(self) -> str:
        """The beginning of the digest of the policy that guard serves; empty where it does not say."""
        match = _DIGEST.search(self.page())
        return match[1] if match else ""

    def log_bytes(self) -> bytes:
        """The end of guard's log, where it is ours."""
        if self.log is None:
            return b""
        with self.log.open("rb") as file:
            file.seek(max(0, self.log.stat().st_size - MOST_LOG))
            return file.read()


def resident(page: str) -> int | None:
    """The resident memory that a page of metrics tells."""
    match = _RESIDENT.search(page)
    return int(float(match[1])) if match else None
