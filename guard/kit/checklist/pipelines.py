"""Commands of guard in the repository's CI, found in the files that CI systems read."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from guard.kit.files import read_at_most

PLACES: Final = (
    ".github/workflows/*.yml", ".github/workflows/*.yaml", ".gitlab-ci.yml", ".gitlab-ci/*.yml", ".circleci/config.yml",
    "Jenkinsfile", "azure-pipelines.yml", "bitbucket-pipelines.yml", ".buildkite/*.yml", ".drone.yml", ".woodpecker.yml",
    ".woodpecker/*.yml", ".travis.yml", "cloudbuild.yaml", "buildspec.yml", ".tekton/*.yaml", ".forgejo/workflows/*.yml",
    ".gitea/workflows/*.yml",
)  # fmt: skip
MOST_FILES: Final = 200
MOST_BYTES: Final = 1 << 20
_COMMENT: Final = re.compile(r"(?:^|\s)(?:#|//).*")
_COMMAND: Final = re.compile(r"\bguard\s+(rehearse|checklist)\b([^\n]*)")
_EXCUSE: Final = re.compile(r"\|\|\s*(?:true|:|exit 0|echo)\b|\|\|\s*:")


class Mention(NamedTuple):
    """A line that runs a command. `excused`: whatever it says, the pipeline goes on."""

    command: str
    file: str
    line: int
    excused: bool


def root(policy: Path) -> Path:
    """The repository that a policy is in; its folder, where it is in none."""
    here = policy.absolute().parent
    return next((folder for folder in (here, *here.parents) if (folder / ".git").exists()), here)


def find(top: Path) -> list[Path]:
    """Files in the known places, in their order."""
    paths = [path for place in PLACES for path in sorted(top.glob(place)) if path.is_file()]
    return paths[:MOST_FILES]


def mentions(paths: Iterable[tuple[str, Path]]) -> Iterator[Mention]:
    """Every line of the files, by the name that each is shown by; one that cannot be read says nothing."""
    for name, path in paths:
        try:
            raw = read_at_most(path, MOST_BYTES)
        except OSError:
            continue
        for number, line in enumerate(raw.decode("utf-8", "replace").splitlines(), 1):
            for match in _COMMAND.finditer(_COMMENT.sub("", line)):
                yield Mention(match[1], name, number, _EXCUSE.search(match[2]) is not None)
