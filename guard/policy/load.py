"""A policy from disk: read, extended, validated; every mistake at once.

`extends` is one relative path. It may go up (`../org.yaml`): policies of many teams live below one of the whole
organisation; it may not be absolute, for a policy reads the same on a laptop and in a pod. A base may extend another.
"""

import errno
import hashlib
import json
import os
import re
import stat
from collections.abc import Callable, Mapping, Sized
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from guard.policy.document import MAX_BYTES, Text, Tree, parse, rooted
from guard.policy.doubts import warnings
from guard.policy.errors import Path as Pointer
from guard.policy.errors import Place, PolicyError, PolicyInvalid, listed, nearest, shown
from guard.policy.fields import SchemaFile
from guard.policy.models import Policy, Release
from guard.policy.part import Part, find
from guard.policy.variables import fill

MAX_EXTENDS: Final = 8
_Model = TypeVar("_Model", bound=Part)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A policy that may be used."""

    policy: Policy
    digest: str
    """`sha256:` and the hex digest of what the policy means: its resolved values and the schema files it names."""
    contents: Mapping[Path, bytes] = field(repr=False)
    """Every file that was read, the policy first; a reload watches these."""
    warnings: tuple[PolicyError, ...]
    environment: str
    """GUARD_ENVIRONMENT, empty where not set."""
    schemas: Mapping[Path, bytes]
    """The JSON Schema files, by `SchemaFile.schema_.path`."""
    tree: Tree = field(repr=False)

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file that was read, the policy first."""
        return tuple(self.contents)

    def origin(self, path: Pointer) -> Place | None:
        """Where the value at a path was written; None where it is a default."""
        place, found = find(self.tree, path, key=True)
        return place if found else None

    def error(self, path: Pointer, message: str, expected: str = "") -> PolicyError:
        """A mistake that is found later, such as a rule that does not compile, at its place in the file."""
        place, _ = find(self.tree, path)
        return PolicyError(place or self.tree.place, path, message, expected)


Reader: TypeAlias = Callable[[Path], bytes]
"""Reads a file, at most a byte more than a policy may have. Raises OSError, or ValueError for what is no path."""


def from_disk(path: Path) -> bytes:
    """A Reader of what is there now."""
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)


def from_regular_file(path: Path) -> bytes:
    """The content of a file. Raises OSError; a pipe or a device, which could keep a server waiting for ever, is refused."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        return file.read(MAX_BYTES + 1)


def load(path: str | Path, *, environ: Mapping[str, str], read: Reader = from_disk) -> Loaded:
    """Read a policy. Raises PolicyInvalid with everything that is wrong, and all that was read; never another exception.

    `environ` names the stage (GUARD_ENVIRONMENT), fills the URLs of model servers (`variables`), and shows which secrets
    are there; their values are not read.
    """
    files = _Files(read)
    try:
        tree = _extended(Path(path), files)
        _inline_release(tree, files)
        fill(tree, environ)
        rooted(tree)
        policy = _validated(tree, Policy)
        schemas = _schemas(policy, tree, files)
    except PolicyInvalid as error:
        error.contents = files.contents
        raise
    return Loaded(
        policy=policy,
        digest=_digest(policy, schemas),
        contents=files.contents,
        warnings=tuple(warnings(policy, tree, environ, schemas)),
        environment=environ.get("GUARD_ENVIRONMENT", ""),
        schemas=schemas,
        tree=tree,
    )


def load_release(path: Path, read: Reader = from_disk) -> Release:
    """A release's own file. Raises PolicyInvalid with everything that is wrong."""
    tree = parse(_Files(read).read(path, Place(str(path))), str(path))
    rooted(tree)
    return _validated(tree, Release)


class _Files:
    """What was read so far, for whoever watches or keeps it. A file that cannot be read counts as empty there."""

    def __init__(self, read: Reader) -> None:
        self.contents: dict[Path, bytes] = {}
        self._read = read

    def read(self, path: Path, place: Place, pointer: Pointer = ()) -> bytes:
        """The content of a file that stands named at `place`. Raises PolicyInvalid."""
        self.contents[path] = b""
        try:
            self.contents[path] = self._read(path)
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "not a path"
            raise PolicyInvalid([PolicyError(place, pointer, f"cannot read {path}: {why}", "a file")]) from None
        return self.contents[path]


def _extended(path: Path, files: _Files) -> Tree:
    tree = parse(files.read(path, Place(str(path))), str(path))
    seen = {path.resolve()}
    chain = [tree]
    while (named := chain[-1].get("extends")) is not None:
        base_path = _base_path(named, chain[-1])
        raw = files.read(base_path, named.place, ("extends",))
        if (where := base_path.resolve()) in seen:
            raise _extends_error(named, chain[-1], f"{base_path} extends itself in a circle")
        if len(chain) > MAX_EXTENDS:
            raise _extends_error(named, chain[-1], f"more than {MAX_EXTENDS} files extend each other")
        seen.add(where)
        base = parse(raw, str(base_path))
        if "routes" in base:
            message = "a policy that others extend has no routes"
            raise PolicyInvalid([PolicyError(base.places["routes"], ("routes",), message)])
        if "version" in base and base["version"] != tree.get("version", base["version"]):
            message = f"this file is {shown(str(base['version']))}, the one that extends it is not"
            raise PolicyInvalid([PolicyError(base.places["version"], ("version",), message)])
        chain.append(base)
    merged = chain.pop()
    while chain:
        merged = _merged(merged, chain.pop())
    return merged


def _base_path(named: object, tree: Tree) -> Path:
    if not isinstance(named, Text) or not named or named.null:
        raise _extends_error(named, tree, "not one path")
    if named.startswith(("/", "~")) or "\\" in named or "://" in named or "\x00" in named:
        raise _extends_error(named, tree, f"{shown(named)} is not a relative path")
    return Path(named.place.file).parent / named


def _extends_error(named: object, tree: Tree, message: str) -> PolicyInvalid:
    place = getattr(named, "place", tree.place)
    return PolicyInvalid([PolicyError(place, ("extends",), message, "one relative path such as org.yaml or ../org.yaml")])


def _merged(base: Tree, over: Tree) -> Tree:
    """Mappings merge, all else replaces."""
    made = Tree(over.place)
    made.places = {**base.places, **over.places}
    for key in made.places:
        below, above = base.get(key), over.get(key, base.get(key))
        if isinstance(below, Tree) and isinstance(above, Tree) and below is not above:
            above = _merged(below, above)
        made[key] = above
    return made


def _inline_release(tree: Tree, files: _Files) -> None:
    """A release in a file of its own reads as if it stood in the policy."""
    named = tree.get("release")
    if not isinstance(named, Text) or named.null:
        return
    path = Path(named.place.file).parent / named
    tree["release"] = parse(files.read(path, named.place, ("release",)), str(path))


def _validated(tree: Tree, model: type[_Model]) -> _Model:
    errors: list[PolicyError] = []
    try:
        made = model.model_validate(tree, context=errors)
    except ValidationError as invalid:
        details = invalid.errors(include_url=False)
        raise PolicyInvalid([*errors, *(_translated(detail, tree) for detail in details if not _echo(detail))]) from None
    if errors:
        raise PolicyInvalid(errors)
    return made


def _echo(detail: ErrorDetails) -> bool:
    """Pydantic also calls a list too short whose items could not be read."""
    got = detail["input"]
    return detail["type"] == "too_short" and isinstance(got, Sized) and len(got) > 0


def _translated(detail: ErrorDetails, tree: Tree) -> PolicyError:
    """Pydantic's error in our words, at its place in the file."""
    path = tuple(part for part in detail["loc"] if not (isinstance(part, str) and part[:1] in "‹[" and part[-1:] in "›]"))
    context, got = detail.get("ctx", {}), detail["input"]
    place = find(tree, path)[0] or tree.place
    match detail["type"]:
        case "missing":
            path, found = path[:-1], (f"the key {shown(str(path[-1]))} is missing", "", "")
        case "misread":
            found = context["message"], context["expected"], ""
        case "literal_error":
            found = _word(got, re.findall(r"'([^']*)'", context["expected"]))
        case "too_short":
            found = "empty", "at least one", ""
        case "too_long":
            found = f"{context['actual_length']} of them", f"at most {context['max_length']}", ""
        case kind:
            expected = {"tuple_type": "a list", "dict_type": "a mapping", "model_type": "a mapping"}.get(kind)
            found = (_kind(got), expected, "") if expected else (f"not readable ({kind})", "", "")
    return PolicyError(place, path, *found)


def _word(got: object, words: list[str]) -> tuple[str, str, str]:
    if isinstance(got, str) and not (isinstance(got, Text) and got.null):
        return f"unknown word {shown(got)}", f"one of {listed(words)}", nearest(got, words)
    return _kind(got), f"one of {listed(words)}", ""


def _kind(got: object) -> str:
    match got:
        case Text() if got.null:
            return "no value"
        case str():
            return f"{shown(got)} is one value"
        case Mapping():
            return "a mapping"
        case _:
            return "a list"


def _schemas(policy: Policy, tree: Tree, files: _Files) -> dict[Path, bytes]:
    """Read the JSON Schema files. What they say is the contract's to judge."""
    found: dict[Path, bytes] = {}
    errors: list[PolicyError] = []
    for key, route in policy.routes.items():
        for side in ("input", "output"):
            declared = getattr(route, side, None)
            if not isinstance(declared, SchemaFile):
                continue
            pointer = ("routes", key, side, "schema")
            place = find(tree, pointer)[0] or tree.place
            try:
                raw = files.read(declared.schema_.path, place, pointer)
                if len(raw) > MAX_BYTES:
                    errors.append(PolicyError(place, pointer, "a schema file has at most 1 MiB"))
                elif not isinstance(json.loads(raw), dict | bool):
                    errors.append(PolicyError(place, pointer, f"{declared.schema_.path} is not a JSON Schema"))
                found[declared.schema_.path] = raw
            except PolicyInvalid as unreadable:
                errors += unreadable.errors
            except (ValueError, RecursionError):
                errors.append(PolicyError(place, pointer, f"{declared.schema_.path} is not JSON"))
    if errors:
        raise PolicyInvalid(errors)
    return found


def _digest(policy: Policy, schemas: Mapping[Path, bytes]) -> str:
    """A digest of what the policy means.

    Written part by part, as one call for hundreds of routes would stall the loop of a guard that reloads; and hashed at
    once, as a thread that lets go of the interpreter at each part is never asked to let go for longer.
    """
    parts: list[object] = [policy.model_dump(by_alias=True, exclude={"extends", "routes"})]
    parts += [[key, route.model_dump(by_alias=True)] for key, route in sorted(policy.routes.items())]
    parts.append(sorted(hashlib.sha256(raw).hexdigest() for raw in schemas.values()))
    lines = [json.dumps(part, sort_keys=True, separators=(",", ":")) for part in parts]
    return "sha256:" + hashlib.sha256("\n".join(lines).encode()).hexdigest()
