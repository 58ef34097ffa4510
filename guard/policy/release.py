"""The record of a release, as a policy holds it; `guard release` writes it."""

from typing import Annotated, Final, Literal, Self

from pydantic import Discriminator, Field, Tag

from guard.policy import typed
from guard.policy.policy_model import PolicyModel, Report
from guard.policy.route import MAPPING, WORD, is_word
from guard.policy.scalars import Boolean, Number, String, Value

FIRST: Final = "none"
"""Value of `previous` that declares that there is no previous release."""


class ReleasePart(PolicyModel):
    """A file of the release."""

    path: String | None = None
    digest: String | None = None


class Evaluation(PolicyModel):
    """Evaluation of the release."""

    report: String | None = None
    digest: String | None = None
    data_set: String | None = None
    date: String | None = None
    metrics: dict[str, Number] = Field(default_factory=dict)


class Earlier(PolicyModel):
    """The previous release, and the place of its record."""

    version: String
    commit: String | None = None
    digest: String | None = Field(default=None, description="Digest of its record's content.")
    record: String | None = Field(default=None, description="Path of its record, relative to the folder of this one.")


AnyFile = Annotated[Annotated[ReleasePart, Tag(MAPPING)] | Annotated[String, Tag(WORD)], Discriminator(is_word)]
AnyEarlier = Annotated[Annotated[Earlier, Tag(MAPPING)] | Annotated[String, Tag(WORD)], Discriminator(is_word)]
AnyPart = Annotated[
    Annotated[ReleasePart, Tag(MAPPING)] | Annotated[Literal["in_code", "none"], Tag(WORD)], Discriminator(is_word)
]
PartKind = Literal[
    "weights", "preprocessing", "features", "tokenizer", "postprocessing", "thresholds", "rules", "reference"
]


class Release(PolicyModel):
    """The deployed release; `guard release` writes this part."""

    model: String | None = None
    version: String
    commit: String | None = None
    lockfile: AnyFile | None = Field(default=None, description="Digest of the lock file, or its path and digest.")
    parts: dict[PartKind, AnyPart] = Field(default_factory=dict)
    contract: String | None = None
    configuration: dict[str, Value] = Field(default_factory=dict)
    evaluation: Evaluation | None = None
    approved_by: String | None = None
    approved_at: String | None = None
    pipeline: String | None = None
    previous: AnyEarlier | None = Field(
        default=None, description="Version or record of the previous release; `none`: no previous."
    )
    strict: Boolean = Field(default=False, description="Whether a model server of another version closes the rung.")

    def finish(self, report: Report) -> Self:
        """Configuration has no declared types."""
        del report
        return self.but(configuration={key: typed.plain(value) for key, value in self.configuration.items()})

    @property
    def before(self) -> Earlier | None:
        """The release before; None where none is named, or this is the first."""
        if isinstance(self.previous, str):
            return None if self.previous == FIRST else Earlier(version=self.previous)
        return self.previous
