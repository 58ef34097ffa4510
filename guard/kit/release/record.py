"""The record: a mapping as release.yaml has it, as text, and as what is read back."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from guard.policy import typed
from guard.policy.document import Text, set_paths
from guard.policy.errors import Place, PolicyInvalid
from guard.policy.loading.parse import parse
from guard.policy.models import Release

HEADER: Final = "# Written by `guard release`; `guard release --verify` compares it with the disk.\n"


_NUMBER: Final = re.compile(r"[-+]?[\d._]+(?:[eE][-+]?\d+)?\Z", re.ASCII)
"""Texts that a YAML reader may take for a number, such as the commit 4e12345."""


class Unwritable(ValueError):  # noqa: N818
    """A record that would not read back as it was meant; the message says where."""


class _Dumper(yaml.SafeDumper):
    """Texts stay texts: what YAML 1.1, which PyYAML knows, or 1.2, which guard reads, take for another thing is quoted."""


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    plain = isinstance(typed.plain(Text.at(value, Place(""))), str) and not _NUMBER.match(value)
    style = '"' if not value.isprintable() else None if plain else "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)


def text(record: Mapping[str, Any]) -> str:
    """The record as YAML. Raises Unwritable; what is returned was read back by the policy's own loader, and is the same."""
    try:
        written = HEADER + yaml.dump(
            dict(record), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100_000, default_flow_style=False
        )
        again = read_back(written)
    except PolicyInvalid as error:
        raise Unwritable(str(error)) from None
    except UnicodeEncodeError:
        raise Unwritable("a text that is not UTF-8") from None
    if (parsed := again.model_dump(exclude_unset=True)) != record:
        wrong = [key for key in record if parsed.get(key) != record[key]]
        raise Unwritable(f"{', '.join(wrong)} cannot be written so that it reads back unchanged")
    return written


def read_back(content: str) -> Release:
    """A record as the policy's loader reads it. Raises PolicyInvalid."""
    tree = parse(content.encode(), "release")
    set_paths(tree)
    errors: list[Any] = []
    release = Release.model_validate(tree, context=errors)
    if errors:
        raise PolicyInvalid(errors)
    return release


def value(typed_in: str) -> Any:
    """A configuration value: a number, a boolean or null only where that is written in just these characters."""
    plain = typed.plain(Text.at(typed_in, Place("")))
    same = {True: "true", False: "false"}.get(plain) if isinstance(plain, bool) else str(plain)
    return plain if same == typed_in and plain is not None else typed_in


def shown_path(path: Path, record: Path) -> str:
    """A path as the record names it: from its own folder, with /."""
    return Path(os.path.relpath(path.absolute(), record.absolute().parent)).as_posix()
