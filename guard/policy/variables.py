"""Variables of the environment in the URLs of model servers: one policy for every stage and pod.

`{env:NAME}` within a URL is what the variable says, and `url: {env: NAME}` is the whole URL. Nothing else of a policy is
read from the environment; secrets are, where they are used, and never through here.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from guard.policy.document import Items, Text, Tree
from guard.policy.errors import Path, PolicyError, PolicyInvalid

_VARIABLE: Final = re.compile(r"\{env:([A-Za-z_][A-Za-z0-9_]{0,127})\}")
ENV: Final = "env"


def fill(tree: Tree, environ: Mapping[str, str]) -> None:
    """Put the variables' values into the URLs of a policy. Raises PolicyInvalid for those that are unset or empty."""
    errors: list[PolicyError] = []
    for owner, key, path in list(_urls(tree)):
        written = owner[key]
        if isinstance(written, Tree) and set(written) == {ENV} and isinstance(written[ENV], Text):
            written = Text.at("{env:%s}" % written[ENV], written.place)
        if not isinstance(written, Text) or "{env:" not in written:
            continue
        errors.extend(
            PolicyError(written.place, path, f"the variable {name} is not set", "a variable with a value")
            for name in _VARIABLE.findall(written)
            if not environ.get(name)
        )
        filled = _VARIABLE.sub(lambda found: environ.get(found[1], ""), written)
        owner[key] = Text.at(filled, written.place, plain=written.plain)
    if errors:
        raise PolicyInvalid(errors)


def _urls(tree: Tree) -> Iterator[tuple[Tree, str, Path]]:
    """Where URLs of model servers stand: of the upstream, and of each route's previous release."""
    yield from _server(tree, "upstream", ())
    routes = tree.get("routes")
    for name, route in routes.items() if isinstance(routes, Tree) else ():
        fallback = route.get("fallback") if isinstance(route, Tree) else None
        for rung in fallback if isinstance(fallback, Items) else ():
            if isinstance(rung, Tree):
                yield from _server(rung, "previous", ("routes", name, "fallback"))


def _server(owner: Tree, key: str, path: Path) -> Iterator[tuple[Tree, str, Path]]:
    """A server is its URL, or a mapping with one."""
    declared = owner.get(key)
    if isinstance(declared, Tree) and "url" in declared:
        yield declared, "url", (*path, key, "url")
    elif declared is not None:
        yield owner, key, (*path, key)
