"""The reference files that `monitor` names: read and checked with the policy, so that a bad one is never in force."""

from pathlib import Path

from guard.monitoring.reference import LARGEST, Reference, ReferenceInvalid, parse_reference
from guard.policy.document import Tree, find
from guard.policy.errors import PolicyError, PolicyInvalid
from guard.policy.loading.read import Files
from guard.policy.models import Policy
from guard.policy.monitor import ONLY, Monitor


def read_references(policy: Policy, tree: Tree, files: Files) -> dict[Path, Reference]:
    """The references by their file. Raises PolicyInvalid."""
    references: dict[Path, Reference] = {}
    errors: list[PolicyError] = []
    if not isinstance(policy.monitor, Monitor):
        return references
    for route, file in policy.monitor.reference_files.items():
        pointer = ("monitor", "reference") if route == ONLY else ("monitor", "references", route)
        place = find(tree, pointer)[0] or tree.place
        try:
            content = files.read(file.path, place, pointer)
            if len(content) > LARGEST:
                raise ReferenceInvalid("a reference has at most 1 MiB")
            references[file.path] = parse_reference(content)
        except PolicyInvalid as unreadable:
            errors += unreadable.errors
        except ReferenceInvalid as invalid:
            errors.append(PolicyError(place, pointer, f"{file}: {invalid}", "a file that `guard reference make` wrote"))
    if errors:
        raise PolicyInvalid(errors)
    return references
