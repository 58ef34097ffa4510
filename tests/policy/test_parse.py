"""YAML that a policy may not be: each refused with one error, at its place."""

from unicodedata import category

import pytest

from guard.policy.document import MAX_BYTES, Text
from guard.policy.errors import PolicyInvalid
from guard.policy.loading.parse import _UNREADABLE, parse

QUOTE = "quote rules that contain"

MALFORMED = {
    "empty": (b"", 1, 1, "the file is empty"),
    "only a comment": (b"# nothing\n", 2, 1, "the file is empty"),
    "a list": (b"- a\n", 1, 1, "the policy is a list"),
    "a word": (b"hello\n", 1, 1, "the policy is a text"),
    "null": (b"---\n", 2, 1, "the policy is nothing"),
    "two documents": (b"a: 1\n---\nb: 2\n", 2, 1, "a second document"),
    "duplicate key": (b"a: 1\nb: 2\na: 3\n", 3, 1, 'duplicate key "a", first in line 1'),
    "duplicate key, quoted": (b'x: {a: 1, "a": 3}\n', 1, 11, 'duplicate key "a", first in line 1'),
    "python tag": (b"a: !!python/object/apply:os.system [id]\n", 1, 4, "is not allowed"),
    "standard tag": (b"a: !!str 1\n", 1, 4, "is not allowed"),
    "local tag": (b"a: !env X\n", 1, 4, "is not allowed"),
    "tag on a mapping": (b"a: !x {b: 1}\n", 1, 4, "is not allowed"),
    "anchor": (b"a: &x 1\n", 1, 4, "anchors are not allowed"),
    "anchor on a mapping": (b"a: &x\n  b: 1\n", 1, 4, "anchors are not allowed"),
    "alias": (b"a: *x\n", 1, 4, "aliases are not allowed"),
    "merge key": (b"a: {<<: *x}\n", 1, 9, "aliases are not allowed"),
    "bomb": (b"a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\n", 1, 4, "anchors are not allowed"),
    "tag directive": (b"%TAG ! tag:x,2000:\n---\na: 1\n", 1, 1, "directives"),
    "version 2": (b"%YAML 2.0\n---\na: 1\n", 1, 1, ""),
    "key that is a list": (b"? [a]\n: b\n", 1, 3, "a key must be text"),
    "key that is a mapping": (b"{a: 1}: b\n", 1, 1, "a key must be text"),
    "tab as indentation": (b"a:\n\tb: 1\n", 2, 1, "a tab; YAML indents with spaces"),
    "tab in a list": (b"a:\n  b: 1\n\tc: 2\n", 3, 1, "a tab; YAML indents with spaces"),
    "not UTF-8": (b"a: 1\nb: \xff\n", 2, 4, "not UTF-8"),
    "UTF-16": ("a: 1".encode("utf-16"), 1, 1, "not UTF-8"),
    "latin-1 after an umlaut": ("a: ü".encode() + b"\xfc", 1, 5, "not UTF-8"),
    "control character": (b"a: 1\nbc: x\x07\n", 2, 6, "the character U+0007"),
    "NUL": (b"a: \x00\n", 1, 4, "the character U+0000"),
    "line separator": ("a: x\u2028b: 1\n".encode(), 1, 5, "the character U+2028"),
    "next line": ("a: x\u0085\n".encode(), 1, 5, "the character U+0085"),
    "second byte order mark": ("\ufeffa: \ufeff\n".encode(), 1, 4, "the character U+FEFF"),
    "over 1 MiB": (b"a: " + b"x" * MAX_BYTES, 0, 0, "at most 1 MiB"),
    "deep flow": (b"a: " + b"[" * 100_000, 1, 35, "nested deeper than 32"),
    "deep mappings": (b"{a: " * 5_000, 1, 129, "nested deeper than 32"),
    "deep block": (b"- " * 400, 1, 1, "the policy is a list"),
    "deep block below a key": (b"a:\n" + b"- " * 400, 2, 63, "nested deeper than 32"),
    "open quote": (b"a: 'x\n", 2, 1, "a quote or bracket that is not closed"),
    "open bracket": (b"a: [1, 2\n", 2, 1, "not closed"),
    "bad escape": (b'a: "\\y"\n', 1, 5, "use single quotes"),
    "two colons": (b"a: b: c\n", 1, 5, 'a second ": "'),
    "indentation": (b"a:\n    b: 1\n  c: 2\n", 3, 3, "indented differently"),
    "key without colon": (b"a: 1\nb\n", 3, 1, 'a key without ":"'),
    "at sign": (b"a: @x\n", 1, 4, "unless it is quoted"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_refused_with_one_error_at_its_place(name):
    raw, line, column, message = MALFORMED[name]
    with pytest.raises(PolicyInvalid) as invalid:
        parse(raw, "policy.yaml")
    (error,) = invalid.value.errors
    assert message in error.message
    assert (error.file, error.line, error.column) == ("policy.yaml", line, column)
    assert str(error).startswith("policy.yaml:" if not line else f"policy.yaml:{line}:{column}: ")


@pytest.mark.parametrize(
    "rule",
    ['"a" == input["b"]', "[1, 2].exists(x, x > 1)", "{'a': 1}.a > 0", "!done && x > 1", "*a > 2", "& b", "% c",
     "x > 1 ? 'a: b' : c: d", "'a' == label"],
)  # fmt: skip
def test_an_unquoted_rule_is_told_to_quote(rule):
    with pytest.raises(PolicyInvalid) as invalid:
        parse(f"rules:\n  - when: {rule}\n".encode(), "p")
    assert QUOTE in str(invalid.value)


def test_a_rule_in_an_answer_is_told_to_quote():
    with pytest.raises(PolicyInvalid) as invalid:
        parse(b'answer: {label: {cel: age > 30 ? "a" : "b"}}\n', "p")
    assert QUOTE in str(invalid.value)


def test_a_plain_mistake_is_not_told_to_quote_rules():
    with pytest.raises(PolicyInvalid) as invalid:
        parse(b"a: [1\nb: 2\n", "p")
    assert QUOTE not in str(invalid.value)


def test_of_all_characters_those_are_refused_that_nobody_sees_or_that_end_a_line_for_some():
    refused = {char for char in map(chr, range(0x110000)) if _UNREADABLE.match(char)}
    controls = {char for char in map(chr, range(0x100)) if category(char) == "Cc"} - {"\t", "\n", "\r"}
    assert refused == controls | {"\u2028", "\u2029", "\ufeff", "\ufffe", "\uffff"}


def test_scalars_stay_as_they_were_written():
    tree = parse(b"{a: 3.10, b: 4f2a9c1, c: no, d: 0x1F, e: 1_000, f: 'yes', g: 010, h: 12:30:00, i: 1e3, j: <<}", "p")
    assert dict(tree) == {
        "a": "3.10", "b": "4f2a9c1", "c": "no", "d": "0x1F", "e": "1_000", "f": "yes", "g": "010", "h": "12:30:00",
        "i": "1e3", "j": "<<",
    }  # fmt: skip
    assert not tree["f"].plain
    assert tree["a"].plain


@pytest.mark.parametrize(
    ("written", "null"), [("~", True), ("null", True), ("", True), ("'null'", False), ("''", False), ("none", False)]
)
def test_null_is_only_what_yaml_12_says(written, null):
    value = parse(f"a: {written}".encode(), "p")["a"]
    assert isinstance(value, Text)
    assert value.null is null


def test_every_key_and_value_knows_its_place():
    tree = parse("\ufeffä: 1\nb:\n  - c\n  - {d: e}\n".encode(), "p")
    assert tree.places["ä"][1:] == (1, 1)
    assert tree["ä"].place[1:] == (1, 4)
    assert tree["b"].place[1:] == (3, 3)
    assert tree["b"][0].place[1:] == (3, 5)
    assert tree["b"][1].places["d"][1:] == (4, 6)
    assert tree["b"][1]["d"].place[1:] == (4, 9)


@pytest.mark.parametrize("raw", [b"%YAML 1.2\n---\na: 1\n...\n", b"\xef\xbb\xbfa: 1\r\n", b"---\na: 1\n", b"a:\t1\n"])
def test_read_all_the_same(raw):
    assert dict(parse(raw, "p")) == {"a": "1"}


def test_urls_need_no_quotes_in_flow():
    assert parse(b"a: {url: http://127.0.0.1:8080, b: unix:///x.sock}", "p")["a"]["url"] == "http://127.0.0.1:8080"
