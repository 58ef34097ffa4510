"""Management endpoints of model servers on the port of their clients: denied, unless a policy lists them."""

from collections.abc import Collection, Iterable, Iterator
from typing import Final

from guard.dialects import DIALECTS

METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

OTHERS: Final = (
    # Ollama: fetch, make and remove models
    "/api/pull", "/api/push", "/api/create", "/api/copy", "/api/delete",
    # Ray Serve, MLflow and others: deploy and stop
    "/api/serve/*", "/shutdown", "/admin/*",
)  # fmt: skip
"""Management endpoints of servers that have no dialect."""


def every() -> list[str]:
    """The templates of all of them."""
    return [*dict.fromkeys(path for dialect in DIALECTS.values() for path in dialect.management), *OTHERS]


def unlisted(keys: Collection[str], dialects: Iterable[str]) -> Iterator[str]:
    """Keys of routes that a policy with these dialects does not name, and that a wider route of it must not reach."""
    paths = dict.fromkeys(path for name in dialects for path in DIALECTS[name].management)
    yield from (key for path in paths for method in METHODS if (key := f"{method} {path}") not in keys)
