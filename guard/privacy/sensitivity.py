"""Levels of sensitivity, and what each permits (docs/telemetry.md#what-never-leaves).

public, internal        an input is logged where it says `log: true`; an output is measured, and shown in sampled lines
confidential … health   never logged, measured or traced; a keyed hash or a mask may stand in a sampled line, if declared
secret                  in no form, nowhere
"""

from typing import Final, Literal, TypeAlias, get_args

Sensitivity: TypeAlias = Literal["public", "internal", "confidential", "personal", "financial", "health", "secret"]

LEVELS: Final[tuple[Sensitivity, ...]] = get_args(Sensitivity)
MEASURED: Final[frozenset[Sensitivity]] = frozenset(("public", "internal"))
