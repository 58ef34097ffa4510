"""The candidate's record, where a step adds to it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import click

from guard.kit.files import policy_file, replace
from guard.kit.release.record import Unwritable, read_back, shown_path, text
from guard.policy.errors import PolicyInvalid
from guard.policy.loading import load_release
from guard.policy.loading.digest import release_digest
from guard.policy.models import Release


def loaded(path: Path) -> Release:
    """The record in a file. Raises click.ClickException with what is wrong."""
    try:
        return load_release(path, policy_file)
    except PolicyInvalid as invalid:
        raise click.ClickException("; ".join(str(error) for error in invalid.errors)) from None


def evaluated(
    path: Path, report: Path, digest: str, dataset: str | None, metrics: Mapping[str, float], now: datetime
) -> tuple[str, str | None]:
    """Write an evaluation into a record; its version and new digest. Raises click.ClickException, and nothing changes."""
    document = loaded(path).model_dump(exclude_unset=True)
    members = {
        "report": shown_path(report, path),
        "digest": digest,
        "data_set": dataset,
        "date": now.astimezone(UTC).date().isoformat(),
        "metrics": {name: round(value, 6) for name, value in metrics.items()},
    }
    document["evaluation"] = {name: value for name, value in members.items() if value is not None}
    try:
        content = text(document)
        replace(path, content.encode())
    except Unwritable as error:
        raise click.ClickException(f"{path}: {error}") from None
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror or error}") from None
    again = read_back(content)
    return again.version, release_digest(again)
