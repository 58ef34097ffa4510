"""The base of every model of the policy: strict, frozen, and able to report several mistakes at their places.

Pydantic finds what is wrong with one value; what is wrong *between* values a part says in `finish`, even where other
parts of the same policy are broken, so that one run shows everything.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, ClassVar, Final, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, ModelWrapValidatorHandler, ValidationError, ValidationInfo, model_validator

from guard.policy.document import Tree, find
from guard.policy.errors import Path, Place, PolicyError, listed, nearest, shown
from guard.policy.scalars import Misread

MAX_UNKNOWN: Final = 20
"""Unknown keys of one mapping that are reported; a file in another format needs no more."""

Report: TypeAlias = Callable[..., None]
"""`report(path, message, expected="", nearest="", *, key=False)`, the path counted from the reporting part.

`key`: the last key itself is the mistake, and is pointed at; the message names it.
"""


class PolicyModel(BaseModel):
    """A mapping of the policy."""

    # Built on first use, and defaults are made with `model_construct`, which builds nothing: the 30 models become one
    # schema of Policy and not 30 schemas (70 ms of `guard serve`).
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", arbitrary_types_allowed=True, defer_build=True)

    alone: ClassVar[frozenset[str]] = frozenset()
    """Keys that `finish` does not look at: where only these cannot be read, the rest is still checked."""

    def is_set(self, *names: str) -> bool:
        """Whether all these keys were written, not defaulted."""
        return self.model_fields_set.issuperset(names)

    def but(self, **values: object) -> Self:
        """The same with other values, which count as defaulted where they were not written."""
        changed = self.model_copy(update=values)
        changed.__pydantic_fields_set__ = set(self.model_fields_set)
        return changed

    @classmethod
    def prepare(cls, data: Any, report: Report) -> Any:
        """Say a shorthand in full words, before anything is read."""
        del report
        return data

    def finish(self, report: Report) -> Self:
        """Report what does not fit together; fill in what follows from other values."""
        del report
        return self

    @model_validator(mode="wrap")
    @classmethod
    def _check(cls, data: Any, handler: ModelWrapValidatorHandler[Self], info: ValidationInfo) -> Self:
        report = reporter(data, info.context)
        data = cls.prepare(data, report)
        if isinstance(data, Tree):
            data = cls._known(data, report)
        try:
            return handler(data).finish(report)
        except ValidationError as invalid:
            wrong = {error["loc"][0] for error in invalid.errors() if error["loc"]}
            if isinstance(data, Tree) and wrong and wrong <= cls.alone:
                rest = data.derived({key: value for key, value in data.items() if key not in wrong})
                handler(rest).finish(report)
            raise

    @classmethod
    def _known(cls, data: Tree, report: Report) -> Tree:
        """Report every unknown key, and go on without it."""
        known = keys(cls)
        strange = [key for key in data if key not in known]
        for key in strange[:MAX_UNKNOWN]:
            message = f"unknown key {shown(key)}"
            if ":" in key and getattr(data[key], "null", False):
                message += "; a space belongs after the colon"
            report((key,), message, f"one of {listed(known)}", nearest(key, known), key=True)
        return data.derived({key: value for key, value in data.items() if key in known}) if strange else data


@cache
def keys(part: type[PolicyModel]) -> list[str]:
    """The keys of a part as they are written."""
    return [field.alias or name for name, field in part.model_fields.items()]


def reporter(data: object, errors: list[PolicyError] | None) -> Report:
    """The report function of the part that is read from `data`. Without a list of errors, it raises the first mistake."""

    def report(path: Path, message: str, expected: str = "", nearest: str = "", *, key: bool = False) -> None:
        if errors is None:
            raise Misread(message, expected)
        place, _ = find(data, path, key=key)
        root: Path = getattr(data, "path", ())
        pointer = (*root, *path[: len(path) - key])
        errors.append(PolicyError(place or Place(""), pointer, message, expected, nearest))

    return report
