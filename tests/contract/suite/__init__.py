"""The official JSON Schema Test Suite, recorded: a file for each draft, a line for each of its cases.

Source: https://github.com/json-schema-org/JSON-Schema-Test-Suite, as the source distribution of the Python package
`jsonschema` 4.26.0 ships it in `json/`; MIT, see LICENSE. `python -m tests.contract.suite FOLDER` records it anew.
"""

import gzip
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).parent

DRAFTS: Final = {
    "draft4": "http://json-schema.org/draft-04/schema#",
    "draft6": "http://json-schema.org/draft-06/schema#",
    "draft7": "http://json-schema.org/draft-07/schema#",
    "draft2019-09": "https://json-schema.org/draft/2019-09/schema",
    "draft2020-12": "https://json-schema.org/draft/2020-12/schema",
}
"""The suite's folder → `$schema`."""


@dataclass(frozen=True)
class Case:
    """A schema, and documents that it allows or not. `part`: required, optional or format."""

    part: str
    file: str
    description: str
    schema: Any
    tests: list[tuple[str, Any, bool]]
    """Description, document, whether it is valid."""


def cases(draft: str) -> list[Case]:
    """Every case of a draft. Drafts before 2019-09 do not name their `$schema`: it is added."""
    recorded = []
    for line in gzip.decompress((FOLDER / f"{draft}.jsonl.gz").read_bytes()).decode().splitlines():
        part, file, description, schema, tests = json.loads(line)
        if isinstance(schema, bool):
            schema = {"$schema": DRAFTS[draft]} | ({} if schema else {"not": {}})
        elif "$schema" not in schema:
            schema = {"$schema": DRAFTS[draft]} | schema
        recorded.append(Case(part, file, description, schema, [tuple(test) for test in tests]))
    return recorded


def record(source: Path) -> None:
    """Write the files from the suite's `tests` folder."""
    for draft in DRAFTS:
        lines = []
        for part, below in (("required", ""), ("optional", "optional"), ("format", "optional/format")):
            for file in sorted((source / draft / below).glob("*.json")):
                for case in json.loads(file.read_text()):
                    tests = [[test["description"], test["data"], test["valid"]] for test in case["tests"]]
                    lines.append(json.dumps([part, file.name, case["description"], case["schema"], tests]))
        (FOLDER / f"{draft}.jsonl.gz").write_bytes(gzip.compress("\n".join(lines).encode(), 9, mtime=0))
