"""Which word of an answer is believed to be its model's version: never one that the client may have written.

A version becomes a label of metrics, an attribute of spans, a field of lines and a part of notices. Many servers repeat
what the client called the model, as it is or within a word of their own (`vendor/WORD`, `WORD:latest`). So the word of an
answer counts only where it cannot be the client's:

- where the contract leaves the model's name to the client (`Message.free_model`), or nobody has read the request (its body
  was streamed, or is larger than SEARCHED), the answer's word does not count;
- otherwise it counts once it has come in answer to a request that does not hold it, and of which it holds nothing. From
  then on it is the server's own, also for a client that writes it; so is the name that the contract declares.
"""

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote_to_bytes

from guard.proxy.values import STREAM, Head, Permit, Target

LEAST: Final = 4
"""Characters of a version that is searched for in its request: `v12` stands in many by chance, and tells of nobody."""
PART: Final = 5
"""Characters of a client's word that is searched for in the version: `FP32` stands in many."""
SEARCHED: Final = 65536
"""Bytes of a body that is searched: a version that is new is rare, and may be new with each request."""
MOST: Final = 50
"""Words of one target that are remembered; beyond them each is searched for with every request."""
_DIGITS: Final = frozenset("0123456789.")
_PARTS: Final = re.compile(rb"[a-z0-9\x80-\xff]{%d,}" % PART)
_TEXTS: Final = re.compile(rb'"([^"\\]{%d,})"(?!\s*:)' % PART)
"""Texts of a JSON document, without the names of members."""


def believed(word: str, permit: Permit | None, target: Target) -> str:
    """The word, where the server and not the client has it; else an empty one. `permit` None: no request was read."""
    known = target.own_words
    if not word or word in known:
        return word
    if permit is None:
        return ""
    body, message = permit.body, permit.message
    if body is STREAM or len(body) > SEARCHED:
        return ""
    if message is not None:
        if message.free_model:
            return ""
        if word == message.named:
            return word
    if len(word) >= LEAST and _shared(word.lower().encode(), permit.route.template, permit.head, body):
        return ""
    if len(known) < MOST:
        known.add(word)
    return word


def _shared(word: bytes, template: str, head: Head, body: bytes) -> bool:
    """Whether a request holds that word, whatever its case, or the word a value of the request."""
    sought = re.escape(word)
    if _DIGITS.issuperset(word.decode()):  # a number stands in others by chance
        sought = rb"(?<![0-9.])" + sought + rb"(?![0-9.])"
    pattern = re.compile(sought)
    target = unquote_to_bytes(head.target)
    if any(pattern.search(part.lower()) is not None for part in (target, body)):
        return True
    for value in _values(target, template, head, body):
        lower = value.lower()
        if pattern.search(lower) is not None or any(part in word for part in _PARTS.findall(lower)):
            return True
    return False


def _values(target: bytes, template: str, head: Head, body: bytes) -> Iterator[bytes]:
    """What a client chose: parts of its path that the policy leaves open, its query, its head, texts of its body."""
    declared = template.encode()
    for part in re.split(rb"[/?&=]", target):
        if part not in declared:
            yield part
    for _, value in head.headers:
        yield value
    for match in _TEXTS.finditer(body):
        yield match[1]
