"""A schema file refers to nothing outside of itself, and nothing is ever fetched."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from guard.contract.fields import ContractInvalid
from guard.contract.schema_drafts import META_SCHEMAS
from guard.contract.schema_file import compile_schema_input, compile_schema_output
from guard.contract.schema_graph import resolve
from guard.proxy.values import Allow


class Listener:
    """A server on loopback that counts who connects, and answers nobody: whoever asks it hangs."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.connections = 0
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                self._socket.accept()
                self.connections += 1

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Iterator[Listener]:
    """The listener, while the resolver of names is poisoned: every look-up fails the test."""

    def poisoned(*asked: Any, **options: Any) -> Any:
        raise AssertionError(f"a name was looked up: {asked} {options}")

    server = Listener()
    for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex"):
        monkeypatch.setattr(socket, name, poisoned)
    yield server
    server.close()
    assert server.connections == 0


def outside(url: str) -> Iterator[dict[str, Any]]:
    """Schemas that name `url` in every keyword that may lead somewhere, at every depth, under a base or not."""
    for keyword in ("$schema", "$ref", "$dynamicRef", "$recursiveRef"):
        for meta in (None, *META_SCHEMAS):
            if keyword == "$dynamicRef" and meta not in (None, "https://json-schema.org/draft/2020-12/schema"):
                continue
            if keyword == "$recursiveRef" and meta != "https://json-schema.org/draft/2019-09/schema":
                continue
            head = {"$schema": meta} if meta is not None and keyword != "$schema" else {}
            leaf = {keyword: url}
            yield {**head, **leaf}
            yield {**head, "properties": {"a": leaf}}
            yield {**head, "properties": {"a": {"$id": "http://elsewhere.test/a", "id": "http://elsewhere.test/a", **leaf}}}
            yield {**head, "allOf": [{"items": {"not": leaf}}]}
            yield {**head, "properties": {"a": {"$ref": "#/x-more/b"}}, "x-more": {"b": leaf}}
    if "://" in url:
        base, _, last = url.rpartition("/")
        yield {"$id": base + "/", "properties": {"a": {"$ref": last}}}
        yield {"properties": {"a": {"$id": base + "/", "items": {"$ref": last}}}}
        yield {"$schema": "http://json-schema.org/draft-04/schema#", "id": base + "/", "items": {"$ref": last}}


def places(listener: Listener, tmp_path: Path) -> list[str]:
    file = tmp_path / "other.json"
    file.write_text('{"type": "object"}')
    return [
        f"{listener.url}/s.json",
        f"{listener.url}/s.json#/a",
        file.as_uri(),
        "file:///etc/passwd",
        "https://schemas.invalid/s.json",
        "urn:example:other",
        "other.json",
        "//127.0.0.1/s.json",
    ]


def test_whatever_leaves_the_file_is_refused_and_never_fetched(listener: Listener, tmp_path: Path) -> None:
    count = 0
    for url in places(listener, tmp_path):
        for schema in outside(url):
            with pytest.raises(ContractInvalid, match=r"leaves the file|unknown \$schema"):
                compile_schema_input(schema, enforce=True)
            count += 1
    assert count > 300


def test_data_is_no_reference(listener: Listener, tmp_path: Path) -> None:
    for url in places(listener, tmp_path):
        for word in ("$schema", "$ref", "$id", "$dynamicRef", "$anchor"):
            data = {word: url}
            for schema in (
                {"const": data},
                {"enum": [data]},
                {"default": data, "examples": [data], "const": data},
                {"x-note": data, "const": data},
                {"properties": {"$ref": {"const": url}, "$schema": {"const": url}}},
            ):
                contract = compile_schema_output(schema)
                assert isinstance(contract.judge_own(data), Allow)


@pytest.mark.parametrize(
    ("schema", "allowed", "denied"),
    [
        ({"$id": "http://a.test/s", "$defs": {"n": {"$id": "n", "type": "integer"}}, "$ref": "n"}, 1, "x"),
        ({"$id": "http://a.test/s", "$defs": {"n": {"$id": "n", "type": "integer"}}, "$ref": "http://a.test/n"}, 1, "x"),
        ({"$defs": {"n": {"$id": "urn:x:n", "type": "integer"}}, "$ref": "urn:x:n"}, 1, "x"),
        (
            {"$defs": {"n": {"$id": "/a/b.json", "$defs": {"m": {"type": "integer"}}}}, "$ref": "a/../a/b.json#/$defs/m"},
            1,
            "x",
        ),
        ({"$defs": {"n": {"$anchor": "n", "type": "integer"}}, "$ref": "#n"}, 1, "x"),
        ({"$defs": {"n": {"$id": "n", "$anchor": "m", "type": "integer"}}, "$ref": "n#m"}, 1, "x"),
        ({"$ref": "#/x-more/n", "x-more": {"n": {"type": "integer"}}}, 1, "x"),
        ({"$ref": "#/$defs/a~1b%25", "$defs": {"a/b%": {"type": "integer"}}}, 1, "x"),
        (
            {
                "$schema": "http://json-schema.org/draft-07/schema#",
                "definitions": {"n": {"$id": "#n", "type": "integer"}},
                "allOf": [{"$ref": "#n"}],
            },
            1,
            "x",
        ),
        (
            {
                "$schema": "http://json-schema.org/draft-04/schema#",
                "id": "http://a.test/s",
                "definitions": {"n": {"id": "n", "type": "integer"}},
                "allOf": [{"$ref": "n"}],
            },
            1,
            "x",
        ),
    ],
)
def test_a_reference_to_a_schema_of_the_file_is_followed(
    schema: Any, allowed: Any, denied: Any, listener: Listener
) -> None:
    contract = compile_schema_output(schema)
    assert isinstance(contract.judge_own(allowed), Allow)
    assert not isinstance(contract.judge_own(denied), Allow)
    assert listener.connections == 0


def test_errors_stay_bounded_behind_every_form_of_reference() -> None:
    """Many wrong items under an embedded schema are cut short like any, or only called wrong: errors are made one by one."""
    rows = {"$id": "rows", "items": {"$ref": "row"}, "$defs": {"r": {"$id": "row", "required": ["a"]}}}
    contract = compile_schema_output({"$defs": {"rows": rows}, "$ref": "rows"})
    verdict = contract.judge_own([{}] * 50_000)
    assert not isinstance(verdict, Allow)
    assert 0 < len(verdict.violations) <= 64


@pytest.mark.parametrize(
    ("base", "reference", "target"),
    [
        ("http://a/b/c/d;p?q", "g", "http://a/b/c/g"),
        ("http://a/b/c/d;p?q", "./g/", "http://a/b/c/g/"),
        ("http://a/b/c/d;p?q", "/g", "http://a/g"),
        ("http://a/b/c/d;p?q", "//g", "http://g"),
        ("http://a/b/c/d;p?q", "?y", "http://a/b/c/d;p?y"),
        ("http://a/b/c/d;p?q", "g?y#s", "http://a/b/c/g?y#s"),
        ("http://a/b/c/d;p?q", "", "http://a/b/c/d;p?q"),
        ("http://a/b/c/d;p?q", "..", "http://a/b/"),
        ("http://a/b/c/d;p?q", "../../g", "http://a/g"),
        ("http://a/b/c/d;p?q", "../../../g", "http://a/g"),
        ("http://a/b/c/d;p?q", "g:h", "g:h"),
        ("http://a/b/c/d;p?q", "#s", "http://a/b/c/d;p?q#s"),
        ("urn:uuid:1", "#a", "urn:uuid:1#a"),
        ("json-schema:///", "a/b", "json-schema:///a/b"),
    ],
)
def test_references_are_resolved_as_rfc_3986_has_them(base: str, reference: str, target: str) -> None:
    assert resolve(base, reference) == target


def test_what_is_wrong_is_named(listener: Listener) -> None:
    def message(schema: Any) -> str:
        with pytest.raises(ContractInvalid) as refused:
            compile_schema_input(schema, enforce=True)
        return str(refused.value)

    assert message({"$ref": "#/$defs/n"}) == "$ref at # refers to '#/$defs/n', which is not in the file"
    assert message({"$ref": "#n"}) == "$ref at # refers to '#n', which no schema of the file has as its anchor"
    assert "two schemas of the file have the $id 'n'" in message({"$defs": {"a": {"$id": "n"}, "b": {"$id": "n"}}})
    nested = {"$schema": "http://json-schema.org/draft-07/schema#"}
    assert "$schema at #/items is not the file's" in message({"items": nested})
    for almost in ("https://json-schema.org/draft-07/schema#", "http://json-schema.org/schema#", 5, ""):
        assert message({"$schema": almost}).startswith("unknown $schema ")
    assert json.dumps(message({"$ref": "x" * 9_000})).__len__() < 500
    assert listener.connections == 0
