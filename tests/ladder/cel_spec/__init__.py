"""The simple tests of cel-spec that need neither messages, bindings nor extensions, recorded: a line for each.

Source: https://github.com/google/cel-spec (tests/simple), as the npm package `@bufbuild/cel-spec` 0.6.1 ships them in
`dist/esm/testdata/conformance.js`; Apache-2.0, see LICENSE. Left out are tests with a container, with variables or of
extensions (`math_ext`, `optionals`, …): rules have none of these.
"""

import gzip
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

FILE: Final = Path(__file__).parent / "simple.jsonl.gz"


@dataclass(frozen=True)
class Case:
    """An expression and its value as protobuf's JSON has it (`int64Value`, …); None where evaluating it is an error."""

    suite: str
    section: str
    name: str
    text: str
    value: dict[str, Any] | None


def cases() -> list[Case]:
    """Every recorded test."""
    return [Case(*json.loads(line)) for line in gzip.decompress(FILE.read_bytes()).decode().splitlines()]


def record(tests: list[list[Any]]) -> None:
    """Write the file from [suite, section, test] lists."""
    lines = []
    for suite, section, test in tests:
        if suite.endswith("_ext") or suite == "optionals" or ("value" not in test and "evalError" not in test):
            continue
        if test.get("bindings") or test.get("typeEnv") or test.get("container") or "objectValue" in json.dumps(test):
            continue
        lines.append(json.dumps([suite, section, test["name"], test["expr"], test.get("value")]))
    FILE.write_bytes(gzip.compress("\n".join(lines).encode(), 9, mtime=0))
