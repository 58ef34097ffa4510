"""Decides whether a version that an answer names is the server's own: never one that the client may have written.

A version becomes a metric label, a span attribute, a log field and a part of notifications. Many servers repeat the
client's name for the model, unchanged or within their own (`vendor/WORD`, `WORD:latest`). So the version of an answer
counts only if it is not the client's alone:

- a name that the server lists (`GET /v1/models`) always counts;
- if the contract leaves the model's name to the client (`Message.free_model`), or guard has not read the request (its body
  was streamed, or is larger than SEARCHED), the version does not count;
- otherwise it counts once it has answered a request that neither holds it nor gave it a part. From then on it is the
  server's own, also for a client that writes it. The name that the contract declares counts too.
"""

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote_to_bytes

from guard.proxy.values import STREAM, Head, Permit, Target

LEAST: Final = 4
"""Shortest version, in characters, that is searched for in the request: `v12` occurs in many by chance."""
PART: Final = 5
"""Shortest word of a client, in characters, that is searched for in the version: `FP32` occurs in many."""
SEARCHED: Final = 65536
"""Largest body in bytes that is searched. A new version is rare, but a server may name one in each answer."""
MOST: Final = 50
"""Versions remembered for one target; any other is searched for in every request."""
_DIGITS: Final = frozenset("0123456789.")
_PARTS: Final = re.compile(rb"[a-z0-9\x80-\xff]{%d,}" % PART)
_TEXTS: Final = re.compile(rb'"([^"\\]{%d,})"(?!\s*:)' % PART)
"""Matches the strings of a JSON document, without member names."""


def believed(word: str, permit: Permit | None, target: Target) -> str:
    """The version if it is the server's own, else an empty string. `permit` None: no request was read."""
    known = target.own_words
    if not word or word in known:
        return word
    if permit is None:
        return ""
    body, message = permit.body, permit.message
    if body is STREAM or len(body) > SEARCHED:
        return ""
    declared = ""
    if message is not None:
        if message.free_model:
            return ""
        declared = message.named
        if word == declared:
            return word
    if len(word) >= LEAST and _shared(word.lower().encode(), permit.route.template, permit.head, body, declared.encode()):
        return ""
    if len(known) < MOST:
        known.add(word)
    return word


def _shared(word: bytes, template: str, head: Head, body: bytes, declared: bytes) -> bool:
    """Whether a request holds the word, in any case, or the word holds a value of the request.

    `declared`, the name of the model out of the contract's list, is the policy's word: `gpt-4o` within `gpt-4o-2024-08-06`.
    """
    sought = re.escape(word)
    if _DIGITS.issuperset(word.decode()):  # a number occurs in longer ones by chance
        sought = rb"(?<![0-9.])" + sought + rb"(?![0-9.])"
    pattern = re.compile(sought)
    target = unquote_to_bytes(head.target)
    if any(pattern.search(part.lower()) is not None for part in (target, body)):
        return True
    for value in _values(target, template, head, body, declared):
        lower = value.lower()
        if pattern.search(lower) is not None or any(part in word for part in _PARTS.findall(lower)):
            return True
    return False


def _values(target: bytes, template: str, head: Head, body: bytes, declared: bytes) -> Iterator[bytes]:
    """The client's own values: open parts of its path, its query, its header fields, strings of its body."""
    literal = template.encode()
    for part in re.split(rb"[/?&=]", target):
        if part not in literal:
            yield part
    for _, value in head.headers:
        yield value
    for match in _TEXTS.finditer(body):
        if match[1] != declared:
            yield match[1]
