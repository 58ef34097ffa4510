"""Fields that a route accepts and returns (docs/policy.md#inputfield). The contract reads these attributes."""

from typing import TYPE_CHECKING, Any, Final, Literal, Self, TypeAlias, get_args
from zoneinfo import available_timezones

from pydantic import Field

from guard.contract.patterns import MOST_STEPS, steps
from guard.policy import typed
from guard.policy.errors import listed, nearest, shown
from guard.policy.policy_model import PolicyModel, Report
from guard.policy.scalars import Boolean, Count, Dimension, Duration, File, Number, Pointer, String, Value
from guard.privacy.detectors import DETECTORS
from guard.privacy.sensitivity import LEVELS, MEASURED, Sensitivity
from guard.privacy.treatment import Treatment

FieldType: TypeAlias = Literal["string", "integer", "number", "boolean", "timestamp", "array", "object"]
Datatype: TypeAlias = Literal[
    "BOOL",
    "UINT8",
    "UINT16",
    "UINT32",
    "UINT64",
    "INT8",
    "INT16",
    "INT32",
    "INT64",
    "FP16",
    "FP32",
    "FP64",
    "BF16",
    "BYTES",
]
if TYPE_CHECKING:
    Detector: TypeAlias = str
else:
    Detector = Literal[tuple(DETECTORS)]
_NUMERIC: Final = frozenset({"integer", "number"})
_ONLY: Final[dict[str, tuple[str, ...]]] = {
    "min": ("integer", "number"),
    "max": ("integer", "number"),
    "enum": ("string", "integer", "number", "boolean"),
    "pattern": ("string",),
    "min_length": ("string",),
    "max_length": ("string",),
    "detect": ("string",),
    "min_items": ("array",),
    "max_items": ("array",),
    "items": ("array",),
    "fields": ("object",),
    "nan": ("number",),
    "zone": ("timestamp",),
}
"""Keys that mean something for some types only."""


class Freshness(PolicyModel):
    """Permitted age of a timestamp. Past `warn` it is counted as aging; past `stale` the model is not called."""

    warn: Duration = 3600.0
    stale: Duration = 86400.0
    skew: Duration = Field(default=300.0, description="Tolerance for future times; a request with a later time is denied.")

    def finish(self, report: Report) -> Self:
        """A default `warn` never outlives `stale`."""
        if self.warn <= self.stale:
            return self
        if self.is_set("warn"):
            report(("warn",), "warn is later than stale", "warn at or before stale")
        return self.but(warn=self.stale)


class Shape(PolicyModel):
    """Type and bounds of a value, at any level."""

    type: FieldType = Field(
        default="string",
        description="Type of the value. Required unless `enum` is given; `enum` without a type lists strings.",
    )
    unit: String | None = Field(
        default=None, description="Unit, as documentation; on a timestamp `s` or `ms` makes the value an epoch number."
    )
    zone: String | None = Field(
        default=None,
        description="IANA time zone such as UTC or Europe/Paris, for timestamps without an offset.",
    )
    description: String | None = None
    min: Number | None = None
    max: Number | None = None
    enum: tuple[Value, ...] | None = Field(default=None, min_length=1, json_schema_extra={"uniqueItems": True})
    required: Boolean = Field(default=True, description="Whether the field must be present. A default implies false.")
    nullable: Boolean = False
    default: Value = Field(default=None, description="Value that replaces a missing field.")
    example: Value = Field(
        default=None, description="An allowed value, for documentation and rehearsals; never a real one."
    )
    pattern: String | None = Field(
        default=None,
        description="Regular expression (Rust syntax, no look-around). A costly one needs a max_length (docs/limits.md).",
    )
    min_length: Count | None = Field(default=None, description="Minimum length in characters.")
    max_length: Count | None = Field(default=None, description="Maximum length in characters.")
    min_items: Count | None = None
    max_items: Count | None = None
    items: "NestedField | None" = None
    fields: "dict[str, NestedField] | None" = None
    nan: Literal["reject"] = "reject"
    sensitivity: Sensitivity = "internal"
    treatment: Treatment | None = Field(default=None, description="Form of the value in telemetry.")
    detect: tuple[Detector, ...] = Field(
        default=(),
        description="Detectors of personal data. A match is replaced by a word such as [email], for the model too.",
    )

    @property
    def has_default(self) -> bool:
        """Whether a default was declared; null may be one."""
        return self.is_set("default")

    @property
    def exact(self) -> bool:
        """Whether its integers have all 64 bits whatever the route says."""
        return False

    @property
    def has_example(self) -> bool:
        """Whether an example was declared."""
        return self.is_set("example")

    def finish(self, report: Report) -> Self:
        """The keys fit the type and each other; defaults and enum members read as the type says."""
        if self.treatment == "hash" and self.sensitivity == "secret":
            report(("treatment",), "a secret is told in no form, not even hashed", "drop, or no treatment")
        if not self.is_set("type") and self.enum is None:
            report((), "the type is missing", f"type: {listed(get_args(FieldType))}, or enum")
            return self
        for key, types in _ONLY.items():
            if self.is_set(key) and self.type not in types:
                report((key,), f"{key} has no meaning for type {self.type}", f"type {listed(types)}")
        self._bounds(report)
        field = self._with_enum(report)
        field = field.with_default(report)
        return field.but(example=field.read("example", report)) if field.has_example else field

    def _bounds(self, report: Report) -> None:
        for low, high in (("min", "max"), ("min_length", "max_length"), ("min_items", "max_items")):
            least, most = getattr(self, low), getattr(self, high)
            if least is not None and most is not None and least > most:
                report((low,), f"{low} {least} is above {high} {most}")
        for key in ("min", "max"):
            bound = getattr(self, key)
            if self.type == "integer" and bound is not None and bound != int(bound):
                report((key,), f"{bound} is not an integer, as the type is", "an integer")
        if self.pattern is not None and (why := typed.pattern_fault(self.pattern)):
            report(("pattern",), f"not a pattern of the linear-time engine: {why}", "Rust regex syntax")
        elif self.pattern is not None and (cost := steps(self.pattern)):
            most = MOST_STEPS // cost
            if self.max_length is None or self.max_length > most:
                report(
                    ("pattern",),
                    f"this pattern may take {cost} steps for each character of a text, and no max_length bounds them",
                    f"max_length: {most} or less; or ^ at the pattern's start, and {{…}} after single characters only",
                )
        if self.type == "timestamp" and self.unit not in {None, "s", "ms"}:
            report(("unit",), f"{shown(self.unit or '')} is not a unit of time", "s or ms (epoch), or none for RFC 3339")
        if self.zone is not None and self.type == "timestamp":
            self._zoned(report, self.zone)

    def _zoned(self, report: Report, zone: str) -> None:
        if self.unit is not None:
            report(("zone",), "an epoch number counts from 1970 in UTC, whatever the zone", "no zone, or no unit")
        elif not typed.is_zone(zone):
            words = "UTC, or a name such as Europe/Paris"
            report(("zone",), f"{shown(zone)} is no IANA time zone", words, nearest(zone, sorted(available_timezones())))

    def _with_enum(self, report: Report) -> Self:
        if self.enum is None or self.type not in _ONLY["enum"]:
            return self
        members: list[Any] = []
        bare = self.but(enum=None)
        for index, value in enumerate(self.enum):
            try:
                member = typed.read(value, bare)
            except typed.Unreadable as error:
                _, message, expected = error.fault
                report(("enum", index), message, expected)
                continue
            if member in members:
                report(("enum", index), f"{shown(str(member))} stands twice in the enum")
            for _, message, expected in typed.breaches(member, bare):
                report(("enum", index), message, expected)
            members.append(member)
        return self.but(enum=tuple(members))

    def with_default(self, report: Report) -> Self:
        """The default read by the type."""
        if not self.has_default:
            return self
        if self.is_set("required") and self.required:
            report(("required",), "a field with a default cannot be required", "required: false, or no default")
        return self.but(default=self.read("default", report), required=False)

    def read(self, key: Literal["default", "example"], report: Report) -> Any:
        """The value of a key as the type reads it; as it is written where it is none of the type, which is reported."""
        try:
            value = typed.read(getattr(self, key), self)
        except typed.Unreadable as error:
            path, message, expected = error.fault
            report((key, *path), message, expected)
            return getattr(self, key)
        for path, message, expected in typed.breaches(value, self):
            report((key, *path), message, expected)
        return value


def most_sensitive(shape: Shape) -> Sensitivity:
    """The highest level of it and of everything inside it."""
    below = [*(shape.fields or {}).values(), *([shape.items] if shape.items is not None else [])]
    return max((shape.sensitivity, *map(most_sensitive, below)), key=LEVELS.index)


class _NotAnInput:
    """The attributes of a field that only the fields of a request declare, as constants."""

    @property
    def send(self) -> bool:
        """A nested field goes where its parent goes; an output goes to no model."""
        return True

    @property
    def missing(self) -> Literal["deny"]:
        """A missing nested field is a violation; a missing output closes the rung."""
        return "deny"

    @property
    def freshness(self) -> None:
        """None: only a top-level timestamp of a request has an age."""


class NestedField(_NotAnInput, Shape):
    """A field inside an array or object. What concerns a request as a whole is declared at the top, with `at`."""

    @property
    def at(self) -> None:
        """Nested fields are found by their name."""

    @property
    def from_(self) -> None:
        """None: only outputs declare a source."""


class Wire(Shape):
    """A field that stands in a tensor, where the dialect has them."""

    datatype: Datatype | None = Field(default=None, description="Data type of the field's tensor (dialect oip).")
    shape: tuple[Dimension, ...] | None = Field(
        default=None,
        min_length=1,
        description="Shape of the field's tensor as in the server's metadata: first the instances; -1 is any length.",
    )


class InputField(Wire):
    """A field that a client sends."""

    at: Pointer | None = Field(default=None, description="JSON pointer to the field in the instance; default is /NAME.")
    send: Boolean = Field(default=True, description="Whether the field is sent to the model; false: it is only checked.")
    missing: Literal["deny", "fall"] = Field(
        default="deny", description="`deny` rejects a request without the field; `fall` closes the rungs that read it."
    )
    freshness: Freshness | None = None
    log: Boolean = Field(
        default=False, description="Whether the sampled exchange log shows the value; refused above `internal`."
    )
    derived: Boolean = Field(default=False, description="Whether the value is computed from other data.")

    @property
    def from_(self) -> None:
        """None: only outputs declare a source."""

    def finish(self, report: Report) -> Self:
        """Checks the rules of an input besides those of a shape: no sensitive value is logged, only timestamps age."""
        if self.at is not None and "*" in self.at.split("/"):
            report(("at",), "an input stands in one place of each instance; * has no meaning", "a pointer without *")
        if self.log and (sensitivity := most_sensitive(self)) not in MEASURED:
            report(("log",), f"a field that is {sensitivity} is never logged", "log: false, or a lower sensitivity")
        if self.freshness is not None and self.type != "timestamp":
            report(("freshness",), f"freshness has no meaning for type {self.type}", "type timestamp")
        if self.missing == "fall" and (self.has_default or (self.is_set("required") and not self.required)):
            report(("missing",), "an optional field is never missing", "missing: fall on a required field")
        return super().finish(report)


class Calibration(PolicyModel):
    """Agreement of a score's values with the observed frequencies."""

    ece: Number | None = Field(default=None, description="Expected calibration error.")
    report: String | None = None


REFUSED: Final = ("default", "detect")
"""Keys of a field that an output does not have."""


class OutputField(_NotAnInput, Wire):
    """A value that the model answers with."""

    at: Pointer | None = Field(
        default=None,
        description="JSON pointer in the answer; one `*` stands for every element. Default /predictions/*/NAME or /NAME.",
    )
    meaning: String | None = None
    calibration: Calibration | None = None
    from_: Literal["model"] | None = Field(
        default=None, alias="from", description="`model`: only the model gives this output; it is null when rules answer."
    )

    def finish(self, report: Report) -> Self:
        """Checks the rules of an output besides those of a shape: no answer is invented, one `*` is one list of rows."""
        if self.treatment in ("mask", "hash"):
            report(("treatment",), "an output is measured, or not told at all", "drop, or no treatment")
        for key in REFUSED:
            if self.is_set(key):
                report((key,), f"an output has no {key}")
        if self.at is not None and self.at.split("/").count("*") > 1:
            report(("at",), "more than one *", "at most one *")
        return super().finish(report)


class SchemaFile(PolicyModel):
    """A JSON Schema file in place of fields."""

    schema_: File = Field(alias="schema")
