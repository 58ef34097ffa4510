"""Where a dialect carries declared fields: what reports, examples and descriptions of requests have in common."""

from dataclasses import dataclass

from guard.contract.fields import split
from guard.dialects import DIALECTS
from guard.policy import speaking
from guard.policy.fields import InputField
from guard.policy.route import Route
from guard.proxy.values import Looks


@dataclass(frozen=True, slots=True)
class Wire:
    """How one route's requests look. `tensors`: fields are tensors; `plain`: the policy itself says the layout."""

    route: Route
    looks: Looks
    tensors: bool
    plain: bool

    @property
    def member(self) -> str:
        """The member that holds the instances; empty where there is none."""
        looks = self.looks
        return (looks.rows or looks.member) if self.route.columns is not None and not self.tensors else looks.member

    def beside(self, name: str, field: InputField) -> bool:
        """Whether a field stands beside the instances, in a member of the body."""
        return _steps(name, field)[0] in self.looks.beside

    def place(self, name: str, field: InputField) -> tuple[str, ...] | None:
        """Reference tokens of where a field stands in a body; None where a positional row has no column for it.

        A tensor is found by its name and not by its place: `inputs`, any, `data`.
        """
        columns = self.route.columns
        if columns is not None and name not in columns:
            return None
        if self.tensors:
            return ("inputs", "*", "data")
        if name in self.looks.words:
            return tuple(split(self.looks.words[name]))
        own = _steps(name, field)
        if self.beside(name, field):
            return own
        base: tuple[str, ...] = (self.member, "*") if self.member else ()
        if self.route.rows is not None:
            base = (*split(self.route.rows), "*")
        return (*base, str(columns.index(name))) if columns is not None else (*base, *own)


def wire(key: str, route: Route) -> Wire:
    """Of a route, by its key."""
    dialect = DIALECTS[route.dialect]
    form = speaking.form_of(key, route, dialect, metered=False) if dialect.tensors else None
    return Wire(route, dialect.looks, form is not None and not form.single, dialect.plain)


def _steps(name: str, field: InputField) -> tuple[str, ...]:
    return tuple(split(field.at)) if field.at is not None else (name,)
