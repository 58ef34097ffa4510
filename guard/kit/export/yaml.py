"""YAML of the exports, in the order of creation: expressions as blocks, gaps as comments."""

from collections.abc import Iterable
from typing import Any, Final

import yaml

from guard.kit.export.scope import Scope
from guard.kit.export.values import Gap

WIDTH: Final = 1 << 20
"""No line is folded: expressions and summaries stay in one piece."""


class _Dumper(yaml.SafeDumper):
    """A YAML dumper without aliases, which writes texts of several lines as blocks."""

    def ignore_aliases(self, data: Any) -> bool:
        """Never: each rule is read on its own."""
        del data
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _text)


def written(title: str, scope: Scope, gaps: Iterable[Gap], document: Any) -> str:
    """The file: where it comes from, what it lacks, and the document."""
    lines = [
        f"Made by `guard export {title}` from the policy of {scope.service}, {scope.digest[:19]}.",
        "Change that, and export again.",
        *(f"Note: {gap.text}." for gap in gaps),
    ]
    head = "".join(f"# {line}\n" for line in lines)
    if isinstance(document, list):  # several documents in one file
        return head + yaml.dump_all(
            document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=WIDTH, explicit_start=True
        )
    return head + yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=WIDTH)
