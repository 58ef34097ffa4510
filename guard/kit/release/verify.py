"""A record held against the disk and the policy: every difference, and what could not be compared."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from guard.kit.files import policy_file
from guard.kit.release.tree import NoDigest, digest
from guard.policy.errors import PolicyInvalid
from guard.policy.loading import Loaded, load_release
from guard.policy.loading.digest import contract_digest, release_digest
from guard.policy.models import Release


@dataclass(frozen=True, slots=True)
class Difference:
    """`what` is a member of the record, `path` its file from the record's folder; `found` a digest, or why not."""

    what: str
    path: str | None
    declared: str | None
    found: str

    def __str__(self) -> str:
        where = f"{self.what}: {self.path}" if self.path is not None else self.what
        return f"{where}: declared {self.declared or 'without a digest'}, found {self.found}"


def differences(release: Release, folder: Path, loaded: Loaded | None) -> Iterator[Difference]:
    """Each file that is not as the record says, in its order; then the contract, where there is a policy."""
    for subject, path, declared in _files(release):
        actual = _digest_of(folder / path)
        if actual != declared:
            yield Difference(subject, path, declared, actual)
    if (before := release.before) is not None and before.record is not None:
        actual = _recorded(folder / before.record)
        if actual != before.digest:
            yield Difference("previous", before.record, before.digest, actual)
    if loaded is not None and release.contract is not None:
        actual = contract_digest(loaded.policy, loaded.schemas)
        if actual != release.contract:
            yield Difference("contract", None, release.contract, actual)


def unchecked(release: Release, loaded: Loaded | None) -> Iterator[str]:
    """Members of the record that cannot be compared with anything."""
    if isinstance(release.lockfile, str):
        yield "lockfile: a digest without a path"
    if release.evaluation is not None and release.evaluation.digest is not None and release.evaluation.report is None:
        yield "evaluation: a digest without a path"
    if (before := release.before) is not None and before.record is None:
        yield "previous: a version without a record"
    if release.contract is not None and loaded is None:
        yield "contract: no --policy to compare it with"


def _files(release: Release) -> Iterator[tuple[str, str, str | None]]:
    if release.lockfile is not None and not isinstance(release.lockfile, str) and release.lockfile.path is not None:
        yield "lockfile", release.lockfile.path, release.lockfile.digest
    for kind, part in release.parts.items():
        if not isinstance(part, str) and part.path is not None:
            yield f"parts.{kind}", part.path, part.digest
    evaluation = release.evaluation
    if evaluation is not None and evaluation.report is not None:
        yield "evaluation", evaluation.report, evaluation.digest


def _digest_of(path: Path) -> str:
    try:
        return digest(path)
    except (NoDigest, ValueError) as error:
        return f"no digest ({error})"


def _recorded(path: Path) -> str:
    try:
        return release_digest(load_release(path, policy_file)) or ""
    except PolicyInvalid as error:
        return f"no release ({error.errors[0].message})"
