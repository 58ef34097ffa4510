"""The policy loader under any bytes.

Laws:
- a policy loads, or is refused with PolicyInvalid; no other exception leaves;
- every error has a place in a file that was read, within its text (libyaml counts the end of the file as a line of its
  own), and is one line;
- what loads can be shown: its resolved form.
"""

import tempfile
from functools import cache
from pathlib import Path

from guard.policy.dump import dump
from guard.policy.errors import PolicyInvalid
from guard.policy.loading import load

POLICIES = Path(__file__).resolve().parents[1] / "policies"
BESIDE = ("reference-org.yaml", "reference-release.yaml", "reference-schema.json")
WORDS = [
    b"extends: ", b"extends: policy.yaml", b"release: ", b"routes:\n  ", b"version: guard/v1\n", b"input:\n",
    b"output:\n", b": ", b"- ",
    b"{schema: reference-schema.json}", b"{env: X}", b"null", b"~", b".nan", b"1e999", b"-1", b"passthrough", b"&a ",
    b"*a", b"!!x ",
    b"<<: ", b"? ", b"| ", b"--- ", b"...\n", b"%YAML 1.2\n---\n", b"\xef\xbb\xbf", b"\xe2\x80\xa8", b"{cel: x}", b"[]",
    b"{}", b"''", b"10s",
    b"1MiB", b"100%", b"observe", b"enforce",
]  # fmt: skip


@cache
def _folder() -> tuple[tempfile.TemporaryDirectory[str], Path]:
    holder = tempfile.TemporaryDirectory(prefix="guard-fuzz-")
    folder = Path(holder.name)
    for name in BESIDE:
        (folder / name).write_bytes((POLICIES / name).read_bytes())
    return holder, folder


def check(data: bytes) -> None:
    """Hold one input against every law."""
    _, folder = _folder()
    path = folder / "policy.yaml"
    path.write_bytes(data)
    try:
        loaded = load(path, environ={})
    except PolicyInvalid as invalid:
        assert invalid.errors, "refused without a reason"
        for error in invalid.errors:
            placed(error, folder)
        return
    for warning in loaded.warnings:
        placed(warning, folder)
    dump(loaded)


def placed(error: object, folder: Path) -> None:
    """Whether an editor can jump to an error: a file of the folder, and a line and column that are there."""
    place, text = error.place, str(error)
    assert text.startswith(str(folder)), f"no place: {text}"
    assert "\n" not in text, f"more than one line: {text!r}"
    assert error.message, "no message"
    assert (place.line >= 1 and place.column >= 1) or (place.line, place.column) == (0, 0), f"half a place: {place}"
    if place.line:
        lines = Path(place.file).read_bytes().replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        assert place.line <= len(lines) + 1, f"behind the end: {place}"


def close() -> None:
    """Remove the folder."""
    if _folder.cache_info().currsize:
        _folder()[0].cleanup()
        _folder.cache_clear()


def seeds() -> list[bytes]:
    """The reference policy in parts that load and are small enough to keep, the others' beginnings, and a zoo."""
    minimal, reference = ((POLICIES / name).read_bytes() for name in ("minimal.yaml", "reference.yaml"))
    head, predict, rest = _split(reference, b"routes:\n", b"  POST /positional:\n")
    others, _, tail = _split(rest, b"privacy:", b"privacy:")
    above, inputs, outputs = _split(predict, b"    input:\n", b"    output:\n")
    short, _, small = _split(minimal, b"routes:\n", b"routes:\n")
    _, _, body = _split(small, b"    input:\n", b"    input:\n")
    route = short + b"routes:\n  POST /predict:\n"
    fields = inputs + b"    fallback: {label: review}\n    output: {label: {enum: [review]}}\n"
    results = [
        minimal,
        head + small,
        short + b"routes:\n" + others,
        minimal + tail,
        above.replace(b"routes:\n", short + b"routes:\n") + body,
    ]
    results += [
        route + fields,
        route + b"    input: {age: {type: integer}, income: {type: number}, employment: {enum: [salaried]}}\n" + outputs,
    ]
    results += [path.read_bytes() for path in sorted(POLICIES.glob("reference-*.yaml"))]
    odd = [
        b"",
        b"a",
        b"- a\n",
        b"a: 1\na: 2\n",
        b"a: &x 1\n",
        b"a: *x\n",
        b"\t",
        b"\xff",
        b"a: [",
        b"a: {b: 'c}\n",
        b"a: b: c\n",
    ]
    return results + odd + [b"a: " + b"[" * 40, b"--- {}\n--- {}\n", b"extends: policy.yaml\n", b"? {a: b}\n: c\n"]


def _split(raw: bytes, first: bytes, second: bytes) -> tuple[bytes, bytes, bytes]:
    """The text before the first mark, from there to the second, and from there on."""
    at, then = raw.index(first), raw.index(second)
    return raw[:at], raw[at:then], raw[then:]
