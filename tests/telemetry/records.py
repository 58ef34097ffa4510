"""Records for tests of sinks, made as the life makes them."""

from typing import Any

from guard.proxy.values import Attempt, Measure, Prediction, Record, Route, Trace
from tests.proxy.scene import Tongue, target


def route(**changes: Any) -> Route:
    """POST /p, with a label and a score."""
    by_name: dict[str, Any] = {
        "template": "/p", "method": "POST", "buffered": True, "max_body": 100, "collect": 100, "request": 1.0,
        "enforce": True, "dialect": Tongue(), "judges": (), "output": None, "ladder": (),
        "measures": (Measure("label", "class", ("yes", "no")), Measure("score", "number", (), 0.0, 1.0)),
        "field_of": lambda pointer, _answer: pointer.rpartition("/")[2],
    }  # fmt: skip
    return Route(**{**by_name, **changes})


ROUTE = route()


def record(**changes: Any) -> Record:
    """An exchange of 250 ms that the model answered in 200."""
    made = Record("id-1", 100.0)
    by_name: dict[str, Any] = {
        "method": "POST", "matched": ROUTE, "route": "/p", "status": 200, "source": "model", "version": "7",
        "read_at": 100.01, "ended_at": 100.25, "rows": 1, "attempts": [attempt()],
        "predictions": [prediction(["yes"], [0.5])], **changes,
    }  # fmt: skip
    for name, value in by_name.items():
        setattr(made, name, value)
    return made


def attempt(**changes: Any) -> Attempt:
    """A call that took 200 ms."""
    made = Attempt(target(url="http://m:8080"), 100.02)
    for name, value in {"begun_at": 100.03, "ended_at": 100.23, "status": 200, **changes}.items():
        setattr(made, name, value)
    return made


def prediction(*values: list[Any], source: Any = "model", version: str = "7", valid: bool = True) -> Prediction:
    """What a rung said."""
    return Prediction(source, version, values, valid)


def trace(*, sampled: bool = True, told: bool = True) -> Trace:
    """A trace that a caller began."""
    return Trace(b"%032x" % 0xABC, b"%016x" % 0x10, b"%016x" % 5, b"%016x" % 0x11, sampled=sampled, propagated=told)
