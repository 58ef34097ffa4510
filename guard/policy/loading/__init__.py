"""Loading: files on disk → one typed, frozen Policy, or every mistake at its place in them.

Here: the steps from bytes to a policy, its warnings and its digests.
Not here: what a key may hold, which the models say (`guard.policy.models`), and the Plan (`guard.policy.compiling`).

`load` takes seven steps, in this order. Each is one file, and hands its result to the next:

1. `read`      path     → bytes      and remembers every file, for whoever watches them
2. `parse`     bytes    → Tree       YAML in which each key and value knows its file, line and column
3. `resolve`   Tree     → Tree       `extends`, a release in its own file and `{env:NAME}`: one tree without references
4. `validate`  Tree     → Policy     typed and frozen; and the JSON Schemas that it names
5. `references`  Policy → References the files with which monitoring compares
6. `warn`      Policy   → warnings   what is allowed and probably not meant
7. `digest`    Policy   → sha256     of what the policy means, whatever its spelling
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from guard.monitoring.reference import Reference
from guard.policy.document import Tree, find, set_paths
from guard.policy.errors import Path as Pointer
from guard.policy.errors import Place, PolicyError, PolicyInvalid
from guard.policy.loading.digest import policy_digest
from guard.policy.loading.parse import parse
from guard.policy.loading.read import Files, Reader, from_disk
from guard.policy.loading.references import read_references
from guard.policy.loading.resolve import resolve
from guard.policy.loading.validate import validate, validate_schemas
from guard.policy.loading.warn import warnings
from guard.policy.models import Policy, Release


@dataclass(frozen=True, slots=True)
class Loaded:
    """A policy that may be used."""

    policy: Policy
    digest: str
    """`sha256:` and the hex digest of what the policy means: its resolved values and the files it names."""
    contents: Mapping[Path, bytes] = field(repr=False)
    """Every file that was read, the policy first; a reload watches these."""
    warnings: tuple[PolicyError, ...]
    environment: str
    """GUARD_ENVIRONMENT, empty where not set."""
    schemas: Mapping[Path, bytes]
    """The JSON Schema files, by `SchemaFile.schema_.path`."""
    references: Mapping[Path, Reference]
    """The references of `monitor`, by their file."""
    tree: Tree = field(repr=False)

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file that was read, the policy first."""
        return tuple(self.contents)

    def origin(self, path: Pointer) -> Place | None:
        """The place at which the value of a path was written; None for a default."""
        place, written = find(self.tree, path, key=True)
        return place if written else None

    def error(self, path: Pointer, message: str, expected: str = "") -> PolicyError:
        """A mistake that is found later, such as a rule that does not compile, at its place in the file."""
        place, _ = find(self.tree, path)
        return PolicyError(place or self.tree.place, path, message, expected)


def load(path: str | Path, *, environ: Mapping[str, str], read: Reader = from_disk) -> Loaded:
    """Load a policy. Raises PolicyInvalid with everything that is wrong, and all that was read; never another exception.

    `environ` names the stage (GUARD_ENVIRONMENT), fills the URLs of model servers, and shows which secrets are there; the
    secrets' values are not read.
    """
    files = Files(read)

    def document(path: Path, place: Place, pointer: Pointer = ()) -> Tree:
        """The first two steps: for the policy, and again for each document that it turns out to name."""
        return parse(files.read(path, place, pointer), str(path))

    try:
        written = document(Path(path), Place(str(path)))
        tree = resolve(written, document, environ)
        policy = validate(tree, Policy)
        schemas = validate_schemas(policy, tree, files)
        references = read_references(policy, tree, files)
    except PolicyInvalid as error:
        error.contents = files.contents
        raise
    doubts = tuple(warnings(policy, tree, environ, schemas))
    named = {**schemas, **{path: reference.digest.encode() for path, reference in references.items()}}
    digest = policy_digest(policy, named)
    stage = environ.get("GUARD_ENVIRONMENT", "")
    return Loaded(policy, digest, files.contents, doubts, stage, schemas, references, tree)


def load_release(path: Path, read: Reader = from_disk) -> Release:
    """Load a release's own file. Raises PolicyInvalid with everything that is wrong."""
    tree = parse(Files(read).read(path, Place(str(path))), str(path))
    set_paths(tree)
    return validate(tree, Release)
