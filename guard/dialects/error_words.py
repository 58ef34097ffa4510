"""The cause that a model server's error gives, as a word of a closed list, because the error's text may quote the request.

Sources: OpenAI's API reference (error codes); vLLM entrypoints/openai, llama.cpp tools/server, SGLang tokenizer_manager,
TGI and TEI router/src/validation.rs, Triton and LiteLLM exceptions as they word it.
"""

import json
import re
from typing import Any, Final

import orjson

from guard.proxy.values import ERROR_WORDS, ErrorWord

MOST: Final = 65536
"""Most bytes of an error that are read."""

_HIDDEN: Final = re.compile(
    rb'\s*\{(?:\s*"(?:object|id|model_name|model_version)"\s*:\s*"[^"]{0,128}"\s*,)*'
    rb'\s*"error(?:_code)?"\s*:\s*+(?!null|false|""|\{\s*\}|\[\s*\])'
)
"""A document whose first member, or first after those that name the answer, is an `error` that is not empty."""
_CODE: Final = re.compile(rb'"(?:code|type|error_type)"\s*:\s*"([A-Za-z_]{1,64})"')
_CONTEXT: Final = re.compile(
    rb"maximum context length|context_length_exceeded|exceed_context_size|exceeds? the available context"
    rb"|longer than the (?:maximum model|model's context) length|exceeds the model's maximum context"
    rb"|must have less than [0-9]{1,9} tokens|max_new_tokens.{0,8} must be <=|ContextWindowExceeded"
    rb"|prompt is too long|too many tokens",
    re.IGNORECASE,
)
_BATCH: Final = re.compile(rb"maximum allowed batch size|batch.size must be <=|batch size [0-9]{1,9} >", re.IGNORECASE)
_MISSING: Final = re.compile(
    rb"model [`'\"\\]{0,3}[^`'\"\\]{0,200}[`'\"\\]{0,3} (?:does not exist|not found)", re.IGNORECASE
)
_LIMIT: Final = re.compile(
    rb"(?:maximum context length (?:is|of)|context size \(|less than|model length of|context length \(|must be <=)"
    rb"\s*([0-9]{1,9})|batch size"
    rb"\s+(?:must be <=\s+)?([0-9]{1,9})(?: >.{0,40}?batch size\s+([0-9]{1,9}))?",
    re.IGNORECASE,
)
_LLAMA: Final = re.compile(rb'"n_ctx"\s*:\s*([0-9]{1,9})')
_KNOWN: Final = {word: word for word in ERROR_WORDS if word}
_ALIASES: Final[dict[str, ErrorWord]] = {
    "exceed_context_size_error": "context_length_exceeded",
    "ContextWindowExceededError": "context_length_exceeded",
    "string_above_max_length": "context_length_exceeded",
    "content_policy_violation": "content_filter",
    "not_found_error": "model_not_found",
    "NotFoundError": "model_not_found",
    "authentication_error": "invalid_api_key",
    "AuthenticationError": "invalid_api_key",
}


def hidden_error(body: bytes) -> bool:
    """Whether a document with status 2xx is an error; cheap for one that is not."""
    return body.find(b'"error', 0, 512) >= 0 and _HIDDEN.match(body) is not None


def error_object(body: bytes) -> dict[str, Any]:
    """The object of an error or event; empty if there is none."""
    return object_of(body) or {} if len(body) <= MOST else {}


def object_of(text: bytes) -> dict[str, Any] | None:
    """The object in the text of an error or event; None if the text is not an object.

    The reader accepts what servers write in tokens and quoted texts although JSON forbids it: NaN, half a surrogate pair, a
    truncated character.
    """
    try:
        tree = orjson.loads(text)
    except orjson.JSONDecodeError:
        try:
            tree = json.loads(text.decode(errors="replace"))
        except (ValueError, RecursionError):
            return None
    return tree if isinstance(tree, dict) else None


def error_word(body: bytes) -> tuple[ErrorWord, int]:
    """The word of an error and the limit that the request exceeds; empty and 0 if no phrase of the list matches.

    An error may quote the client's own words; a client that writes such a phrase misleads only itself.
    """
    text = body[:MOST]
    if _CONTEXT.search(text):
        return "context_length_exceeded", _limit(text)
    if _BATCH.search(text):
        return "batch_too_large", _limit(text)
    for match in _CODE.finditer(text):
        code = match[1].decode()
        if code in _KNOWN:
            return _KNOWN[code], 0
        if code in _ALIASES:
            return _ALIASES[code], 0
    return ("model_not_found", 0) if _MISSING.search(text) else ("", 0)


def _limit(text: bytes) -> int:
    match = _LLAMA.search(text) or _LIMIT.search(text)
    if match is None:
        return 0
    return int(match[match.lastindex or 1])
