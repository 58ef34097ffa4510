"""The policy's `candidate`, as the steps use it."""

from pathlib import Path

import click

from guard.kit.candidate.engines.values import Subject
from guard.policy.candidate import Candidate, Compare
from guard.policy.loading import Loaded
from guard.policy.loading.digest import release_digest


def candidate(loaded: Loaded) -> Candidate:
    """The declaration. Raises click.UsageError where there is none."""
    if loaded.policy.candidate is None:
        raise click.UsageError("the policy declares no candidate; add `candidate: {release: releases/next.yaml, url: URL}`")
    return loaded.policy.candidate


def record(loaded: Loaded) -> Path:
    """The file that the candidate's record stands in."""
    return Path(loaded.tree["candidate"]["release"].place.file)


def url(declared: Candidate) -> str:
    """The URL of the candidate's server. Raises click.UsageError where there is none."""
    if declared.url is None:
        raise click.UsageError("the candidate has no server; add `candidate: {url: URL}` to the policy")
    return str(declared.url)


def tolerances(compare: Compare) -> dict[str, float]:
    """The tolerated share of each gate that is written."""
    shares = {
        "failed": compare.failed,
        "invalid": compare.invalid,
        "slow": compare.slow.by if compare.slow is not None else None,
        "label": compare.label.disagree if compare.label is not None else None,
        "score": compare.score.disagree if compare.score is not None else None,
    }
    return {metric: share for metric, share in shares.items() if share is not None}


def subject(loaded: Loaded, source: str = "") -> Subject:
    """The candidate as an engine sees it."""
    declared = candidate(loaded)
    release = declared.release
    return Subject(
        version=release.version, digest=release_digest(release) or "", url=str(declared.url or ""),
        model=release.model or "", previous=release_digest(loaded.policy.release) or "", source=source,
    )  # fmt: skip
