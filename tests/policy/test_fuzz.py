"""Whatever the bytes, a policy loads or is refused with PolicyInvalid; nothing else ever comes out."""

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from guard.policy.dump import dump
from guard.policy.errors import PolicyInvalid
from guard.policy.loading import load
from guard.policy.loading.parse import parse

POLICIES = Path(__file__).parents[2] / "policies"
REFERENCE = (POLICIES / "reference.yaml").read_bytes()
FOLDER = Path(tempfile.mkdtemp(prefix="guard-fuzz-"))
for _name in ("reference-org.yaml", "reference-release.yaml", "reference-schema.json"):
    (FOLDER / _name).write_bytes((POLICIES / _name).read_bytes())

PIECES = [
    b"", b"null", b"~", b"{}", b"[]", b"[{}]", b"''", b"no", b"1", b"-1", b"1e999", b".nan", b"{cel: x}", b"{a: b}", b"x: y", b"&a", b"*a", b"!!x",
    b"\t", b"\n", b"\xff", b"\x00", b": ", b"- ", b"#", b"{", b"}", b"[", b"]", b"'", b'"', b"|", b">", b"%", b"passthrough", b"{schema: 1}", b"/*", b"*",
    b"99999999999999999999999999", b'"\\ud800"', b'"\\0"', "é".encode(), b"  ",
]  # fmt: skip


def survives(raw):
    path = FOLDER / "policy.yaml"
    path.write_bytes(raw)
    try:
        loaded = load(path, environ={})
    except PolicyInvalid as invalid:
        assert invalid.errors  # noqa: PT017
        for error in invalid.errors:
            assert str(error).startswith(str(FOLDER))
            assert "\n" not in str(error)
        return
    dump(loaded)


@given(st.binary(max_size=300))
def test_random_bytes(raw):
    survives(raw)


@given(st.text(max_size=200))
def test_random_text(text):
    try:
        parse(text.encode("utf-8", "surrogatepass"), "p")
    except PolicyInvalid as invalid:
        assert len(invalid.errors) == 1  # noqa: PT017


@given(
    st.lists(st.tuples(st.integers(0, len(REFERENCE)), st.integers(0, 12), st.sampled_from(PIECES)), min_size=1, max_size=4)
)
def test_a_mutated_policy(edits):
    raw = REFERENCE
    for at, cut, piece in edits:
        raw = raw[:at] + piece + raw[at + cut :]
    survives(raw)


LINES = REFERENCE.split(b"\n")


@given(st.lists(st.tuples(st.integers(0, len(LINES) - 1), st.sampled_from(PIECES)), min_size=1, max_size=3))
def test_a_policy_with_other_values(edits):
    lines = list(LINES)
    for index, piece in edits:
        key, colon, _ = lines[index].partition(b":")
        lines[index] = key + colon + b" " + piece
    survives(b"\n".join(lines))


WORDS = [word for word in __import__("re").findall(rb"[A-Za-z0-9_./%-]+", REFERENCE) if len(word) > 1]


@given(st.lists(st.tuples(st.integers(0, len(WORDS) - 1), st.sampled_from(PIECES)), min_size=1, max_size=3))
def test_a_policy_with_other_words(edits):
    raw = REFERENCE
    for index, piece in edits:
        raw = raw.replace(WORDS[index], piece, 1)
    survives(raw)
