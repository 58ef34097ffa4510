"""Step 3: the policy's own document → one tree that refers to no other document and to no variable.

- `extends` is one relative path. It may go up (`../org.yaml`), because policies of many teams live below one of the whole
  organisation. It may not be absolute, because a policy reads the same on a laptop and in a pod. A base may extend another.
- `release: FILE` reads as if the release stood in the policy; so does the candidate's.
- `{env:NAME}` within the URL of a model server is the variable's value, and `url: {env: NAME}` is the whole URL: one policy
  for every stage and pod. Nothing else of a policy is read from the environment; secrets are, where they are used.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final, TypeAlias

from guard.policy.document import Items, Text, Tree, set_paths
from guard.policy.errors import Path as Pointer
from guard.policy.errors import Place, PolicyError, PolicyInvalid, shown
from guard.proxy.values import PREVIOUS

MAX_EXTENDS: Final = 8
_ENV: Final = "env"
_VARIABLE: Final = re.compile(r"\{env:([A-Za-z_][A-Za-z0-9_]{0,127})\}")

Documents: TypeAlias = Callable[[Path, Place, Pointer], Tree]
"""Reads and parses the document at a path, which is named at that place and key. Raises PolicyInvalid."""


def resolve(written: Tree, document: Documents, environ: Mapping[str, str]) -> Tree:
    """The one tree that a policy means, from the document as it is written. Raises PolicyInvalid."""
    tree = _merge_bases(_with_bases(written, document))
    _inline_release(tree, document)
    _fill_variables(tree, environ)
    set_paths(tree)
    return tree


# ── extends ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _with_bases(written: Tree, document: Documents) -> list[Tree]:
    """The policy, the document that it extends, the one that this extends, and so on."""
    chain = [written]
    seen = {Path(written.place.file).resolve()}
    while (named := chain[-1].get("extends")) is not None:
        base_path = _base_path(named, chain[-1])
        base = document(base_path, named.place, ("extends",))
        if (where := base_path.resolve()) in seen:
            raise _extends_error(named, chain[-1], f"{base_path} extends itself in a circle")
        if len(chain) > MAX_EXTENDS:
            raise _extends_error(named, chain[-1], f"more than {MAX_EXTENDS} files extend each other")
        _check_base(base, written)
        seen.add(where)
        chain.append(base)
    return chain


def _base_path(named: object, tree: Tree) -> Path:
    if not isinstance(named, Text) or not named or named.null:
        raise _extends_error(named, tree, "not one path")
    if named.startswith(("/", "~")) or "\\" in named or "://" in named or "\x00" in named:
        raise _extends_error(named, tree, f"{shown(named)} is not a relative path")
    return Path(named.place.file).parent / named


def _extends_error(named: object, tree: Tree, message: str) -> PolicyInvalid:
    place = getattr(named, "place", tree.place)
    return PolicyInvalid([PolicyError(place, ("extends",), message, "one relative path such as org.yaml or ../org.yaml")])


def _check_base(base: Tree, policy: Tree) -> None:
    if "routes" in base:
        message = "a policy that others extend has no routes"
        raise PolicyInvalid([PolicyError(base.places["routes"], ("routes",), message)])
    if "version" in base and base["version"] != policy.get("version", base["version"]):
        message = f"this file is {shown(str(base['version']))}, the one that extends it is not"
        raise PolicyInvalid([PolicyError(base.places["version"], ("version",), message)])


def _merge_bases(chain: list[Tree]) -> Tree:
    merged = chain.pop()
    while chain:
        merged = _merge(merged, chain.pop())
    return merged


def _merge(base: Tree, over: Tree) -> Tree:
    """Mappings merge; anything else in `over` replaces what is in `base`."""
    merged = Tree(over.place)
    merged.places = {**base.places, **over.places}
    for key in merged.places:
        below, above = base.get(key), over.get(key, base.get(key))
        if isinstance(below, Tree) and isinstance(above, Tree) and below is not above:
            above = _merge(below, above)
        merged[key] = above
    return merged


# ── release ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _inline_release(tree: Tree, document: Documents) -> None:
    candidate = tree.get("candidate")
    for owner, path in ((tree, ()), (candidate, ("candidate",))):
        named = owner.get("release") if isinstance(owner, Tree) else None
        if isinstance(owner, Tree) and isinstance(named, Text) and not named.null:
            owner["release"] = document(Path(named.place.file).parent / named, named.place, (*path, "release"))


# ── variables ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _fill_variables(tree: Tree, environ: Mapping[str, str]) -> None:
    """Put the variables' values into the URLs of a policy. Raises PolicyInvalid for those that are unset or empty."""
    errors: list[PolicyError] = []
    for owner, key, path in list(_urls(tree)):
        written = owner[key]
        if isinstance(written, Tree) and set(written) == {_ENV} and isinstance(written[_ENV], Text):
            written = Text.at("{env:%s}" % written[_ENV], written.place)
        if not isinstance(written, Text) or "{env:" not in written:
            continue
        errors.extend(
            PolicyError(written.place, path, f"the variable {name} is not set", "a variable with a value")
            for name in _VARIABLE.findall(written)
            if not environ.get(name)
        )
        filled = _VARIABLE.sub(lambda variable: environ.get(variable[1], ""), written)
        owner[key] = Text.at(filled, written.place, plain=written.plain)
    if errors:
        raise PolicyInvalid(errors)


def _urls(tree: Tree) -> Iterator[tuple[Tree, str, Pointer]]:
    """Places of the URLs of model servers: of the upstream, the candidate, and each route's previous release."""
    yield from _url(tree, "upstream", ())
    if isinstance(candidate := tree.get("candidate"), Tree) and "url" in candidate:
        yield candidate, "url", ("candidate", "url")
    routes = tree.get("routes")
    for name, route in routes.items() if isinstance(routes, Tree) else ():
        fallback = route.get("fallback") if isinstance(route, Tree) else None
        for rung in fallback if isinstance(fallback, Items) else ():
            if isinstance(rung, Tree):
                yield from _url(rung, PREVIOUS, ("routes", name, "fallback"))


def _url(owner: Tree, key: str, path: Pointer) -> Iterator[tuple[Tree, str, Pointer]]:
    """A server is its URL, or a mapping with one."""
    declared = owner.get(key)
    if isinstance(declared, Tree) and "url" in declared:
        yield declared, "url", (*path, key, "url")
    elif declared is not None:
        yield owner, key, (*path, key)
