"""Where each dialect carries declared fields: what reports, examples and descriptions of requests have in common."""

from typing import Final

from guard.contract.fields import split
from guard.dialects import kserve, mlflow, oip, openai, sagemaker, tfserving, vertex
from guard.dialects.layout import Members
from guard.policy.fields import InputField, Shape, Wire
from guard.policy.route import Route

MEMBERS: Final[dict[str, tuple[str, Members]]] = {
    "kserve-v1": ("instances", kserve.MEMBERS),
    "vertex": ("instances", vertex.MEMBERS),
    "tfserving": ("instances", tfserving.MEMBERS),
    "sagemaker": ("instances", sagemaker.MEMBERS),
    "mlflow": ("dataframe_records", mlflow.MEMBERS),
}
"""Dialects whose body has a member that holds the instances: the one shown here, and all there are."""

VIRTUAL: Final = {"roles": "/messages/*/role", "texts": "/messages/*/content", "characters": "/messages",
                  "attachments": "/messages", "tokens": "/input"}  # fmt: skip
"""What a contract over the OpenAI API may declare without any request having it, and what it is taken from."""
assert tuple(VIRTUAL) == openai.VIRTUAL


def tensors(route: Route, path: str) -> bool:
    """Whether requests are tensors."""
    return route.dialect == "oip" and not path.endswith(("/generate", "/generate_stream"))


def member(route: Route) -> str:
    """The member that holds the instances; empty for dialects that have none. MLflow has no positional records."""
    if route.dialect not in MEMBERS:
        return ""
    return "instances" if route.columns is not None else MEMBERS[route.dialect][0]


def shared(route: Route, field: InputField, name: str) -> bool:
    """Whether a field stands beside the instances, in a member of the envelope."""
    if route.dialect not in MEMBERS:
        return False
    return split(field.at if field.at is not None else f"/{_safe(name)}")[0] in MEMBERS[route.dialect][1].envelope


def place(name: str, field: InputField, route: Route, path: str = "") -> tuple[str, ...] | None:
    """Reference tokens of where a field stands in a body; None where a positional row has no column for it.

    A tensor is found by its name and not by its place: `inputs`, any, `data`.
    """
    if route.columns is not None and name not in route.columns:
        return None
    if tensors(route, path):
        return ("inputs", "*", "data")
    if route.dialect == "openai" and name in VIRTUAL:
        return tuple(split(VIRTUAL[name]))
    own = tuple(split(field.at)) if field.at is not None else (name,)
    if shared(route, field, name):
        return own
    base: tuple[str, ...] = (member(route), "*") if member(route) else ()
    if route.rows is not None:
        base = (*split(route.rows), "*")
    return (*base, str(route.columns.index(name))) if route.columns is not None else (*base, *own)


def datatype(field: Shape) -> str:
    """Of a field's tensor: as declared, or as its type goes."""
    if isinstance(field, Wire) and field.datatype is not None:
        return field.datatype
    of = field.items if field.type == "array" and field.items is not None else field
    if of.type == "timestamp" and of.unit is not None:
        return "INT64"
    return oip.DEFAULTS.get(of.type, "FP64")


def _safe(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
