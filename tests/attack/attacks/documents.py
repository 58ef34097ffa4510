"""Documents that cost much to judge: structure, breaches by the thousand, finds by the thousand, patterns."""

import json

from tests.attack.base import Attack
from tests.attack.stage import FIELDS, Target
from tests.attack.wire import repeated, request

KIB = 1024
MIB = 1024 * KIB
FEW = (1, 8)


def filled(begin: str, element: str, end: str, size: int) -> bytes:
    """A document of about `size` bytes: an element, again and again, between a begin and an end."""
    return (begin + ",".join([element] * (size // (len(element) + 1))) + end).encode()


def document(name: str, path: str, body: bytes, kind: str = "invalid") -> Attack:
    """A document, sent again and again."""
    raw = request("POST", path, body)

    async def run(target: Target, _: int) -> None:
        await repeated(target.data, raw)

    return Attack(name, "data", kind, run, FEW, 1)  # type: ignore[arg-type]


def text(name: str, word: str) -> Attack:
    """A text of 900 KiB that is a word again and again, and is searched."""
    return document(name, "/text", json.dumps({"note": word * (900 * KIB // len(word))}).encode(), "valid")


ROW = json.dumps({f"f{number}": 1 for number in range(FIELDS)})

ATTACKS = (
    document("rows without a field, 100 KiB", "/rows", filled('{"instances":[', "{}", "]}", 100 * KIB)),
    document("rows without a field, 1 MiB", "/rows", filled('{"instances":[', "{}", "]}", MIB - 99)),
    document("rows that are valid, 1 MiB", "/rows", filled('{"instances":[', ROW, "]}", MIB - 99), "valid"),
    document("texts for numbers, 1 MiB", "/numbers", filled('{"values":[', '""', "]}", MIB - 99)),
    document("rows of a JSON Schema, 1 MiB", "/schema", filled('{"rows":[', "{}", "]}", MIB - 99)),
    document("an answer that breaks its contract 200,000 times", "/hostile", b'{"age": 1}', "valid"),
    document("lists in lists, 1 MiB", "/predict", filled('{"age":[', "[" * 60 + "]" * 60, "]}", MIB - 99)),
    document("distinct names, 1 MiB", "/predict", json.dumps({f"n{number}": 1 for number in range(80_000)}).encode()),
    text("900 KiB of IBANs", "DE89 3704 0044 0532 0130 00 "),
    text("900 KiB of phones", "+49 30 901820 "),
    text("900 KiB of addresses", "192.168.17.41 "),
    text("900 KiB of cards", "4111 1111 1111 1111 "),
    text("900 KiB of e-mail", "a.b@example.com "),
    document("a text as long as its slow pattern may see", "/pattern", json.dumps({"note": "ab " * 3333}).encode()),
)
