"""The team's own examples: `tests/requests/*.json` beside the policy (docs/rehearse.md).

A file is the form `{route?, path?, headers?, body | file, expect?}`, or the bare body of a request. It may come from
anybody: whatever is wrong with one is said of that one, and the others are tried.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from guard.contract.strict import Unreadable, parse_file
from guard.kit.files import read_at_most
from guard.proxy.values import MODEL

FOLDER: Final = Path("tests") / "requests"
MOST_BYTES: Final = 8 << 20
MOST_FILES: Final = 10_000
KEYS: Final = frozenset(("route", "path", "headers", "body", "file", "expect"))


class Expect(BaseModel):
    """The expected answer. `body`: every member of an object and every element of a list must be in the answer."""

    model_config = ConfigDict(strict=True, extra="forbid")

    status: int = Field(default=200, ge=100, le=599)
    source: str | None = None
    reason: str | None = None
    code: str | None = None
    body: Any = None


class _ExampleFile(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    route: str | None = None
    path: str | None = None
    headers: dict[str, str] = {}
    body: Any = None
    file: str | None = None
    expect: Expect | None = None


class Unusable(ValueError):  # noqa: N818 — a word of the domain
    """A file that is no example."""


@dataclass(frozen=True, slots=True)
class Example:
    """One request of the team's. `document`: its body where that is JSON."""

    name: str
    route: str | None
    path: str | None
    headers: Mapping[str, str]
    body: bytes
    document: Any
    expect: Expect | None = field(default=None)

    @property
    def good(self) -> bool:
        """Whether the model must answer it."""
        expect = self.expect
        return expect is None or (200 <= expect.status < 300 and expect.source in {None, MODEL})


def examples(policy: Path) -> Iterator[Example | tuple[str, str]]:
    """The examples in the order of their names; for an invalid one its name and the reason."""
    folder = policy.parent / FOLDER
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == ".json")
    except FileNotFoundError:
        return
    except OSError as error:
        yield str(FOLDER), f"cannot be read: {error.strerror}"
        return
    for path in paths[:MOST_FILES]:
        try:
            yield _read(path)
        except Unusable as error:
            yield path.name, str(error)
    if len(paths) > MOST_FILES:
        yield str(FOLDER), f"{len(paths)} files; the first {MOST_FILES} were read"


def _read(path: Path) -> Example:
    """Raises Unusable."""
    raw = _bytes(path)
    try:
        document = json.loads(raw)
    except RecursionError:
        raise Unusable("nested too deep") from None
    except json.JSONDecodeError as error:
        raise Unusable(f"not JSON: {error.msg}, line {error.lineno} column {error.colno}") from None
    except ValueError:
        raise Unusable("not JSON in UTF-8") from None
    if not (isinstance(document, dict) and document.keys() <= KEYS and ("body" in document or "file" in document)):
        return Example(path.name, None, None, {}, raw, document)
    try:
        parse_file(raw)
    except Unreadable as error:
        if error.code == "json_duplicate":  # a body may hold what else no server should get
            raise Unusable("a name stands twice in one object") from None
    try:
        form = _ExampleFile.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise Unusable(f"{'.'.join(str(part) for part in first['loc'][:3])}: {first['msg']}") from None
    if "body" in document and form.file is not None:
        raise Unusable("give either body or file, not both")
    if form.path is not None and (not form.path.startswith("/") or not form.path.isascii() or " " in form.path):
        raise Unusable("path: expected the path of a URL, such as /v2/models/m/infer")
    body = _bytes(_beside(path, form.file)) if form.file is not None else _body(form)
    return Example(path.name, form.route, form.path, _headers(form.headers), body, form.body, form.expect)


def _body(form: _ExampleFile) -> bytes:
    """JSON; a text is sent as it is where the headers name another type than JSON."""
    kind = next((value for name, value in form.headers.items() if name.lower() == "content-type"), "application/json")
    if isinstance(form.body, str) and "json" not in kind:
        return form.body.encode("utf-8", "replace")
    try:
        return json.dumps(form.body).encode()
    except RecursionError:
        raise Unusable("nested too deep") from None


def _headers(headers: Mapping[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        if not name.replace("-", "").isalnum() or not name.isascii() or not value.isascii() or not value.isprintable():
            raise Unusable("headers: expected names of letters, digits and dashes, and printable values")
    return {name.lower(): value for name, value in headers.items()}


def _beside(path: Path, name: str) -> Path:
    """A file in the same folder."""
    if Path(name).name != name or name in {"", ".", ".."}:
        raise Unusable("file: expected the name of a file in the same folder")
    return path.parent / name


def _bytes(path: Path) -> bytes:
    try:
        raw = read_at_most(path, MOST_BYTES)
    except OSError as error:
        raise Unusable(f"cannot read {path.name}: {error.strerror or 'no file'}") from None
    if len(raw) > MOST_BYTES:
        raise Unusable(f"{path.name} is larger than {MOST_BYTES >> 20} MiB")
    return raw
