"""Collects every text of a request by a walk over the document, without a list of known places.

The places that a model reads change: tool calls, reasoning, predictions, parts of parts. So each string is a text unless
this file excludes it: a word of a closed list, in the member that has such words; or a file in base64. Names of
objects are texts where the API does not give them, such as those of a tool's parameters; so are integers that are long
enough to be a card's number.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from guard.dialects.layout import UNDECLARED, pointer
from guard.proxy.values import LEAST_NUMBER, NUMBERS_ONLY, SECRET_MEMBER, SECRET_VALUE

Place: TypeAlias = tuple[str | int, ...]

LEAST_FILE: Final = 256
"""Least characters of base64 that count as a file; a shorter string is searched as text."""
_FILE: Final = re.compile(r"(?:data:[A-Za-z0-9.+-]{1,64}/[A-Za-z0-9.+-]{1,64};base64,)?[A-Za-z0-9+/]{256,}+={0,2}\Z")
FILES: Final = frozenset(("url", "image_url", "data", "file_data", "b64_json"))
"""Members in which base64 may stand for an image, a sound or a file."""

_TYPES: Final = frozenset((
    # of parts, items and blocks
    "text", "input_text", "output_text", "image", "image_url", "input_image", "image_file", "input_audio", "audio",
    "video_url", "audio_url", "file", "input_file", "document", "refusal", "tool_use", "tool_result",
    "server_tool_use", "thinking", "redacted_thinking", "function", "custom", "function_call", "function_call_output",
    "message", "reasoning", "summary_text", "reasoning_text", "item_reference", "custom_tool_call",
    "custom_tool_call_output", "web_search", "web_search_preview", "web_search_call", "file_search",
    "file_search_call", "code_interpreter", "code_interpreter_call", "computer_use_preview", "computer_call",
    "computer_call_output", "image_generation", "image_generation_call", "mcp", "mcp_call", "local_shell", "base64",
    "url", "content", "ephemeral", "enabled", "disabled", "adaptive", "auto", "any", "tool", "none", "allowed_tools",
    "json_object", "json_schema", "grammar", "approximate", "search_result", "structural_tag", "regex", "choice",
    # of JSON Schema
    "object", "array", "string", "number", "integer", "boolean", "null",
))  # fmt: skip
WORDS: Final[Mapping[str, Collection[str]]] = {
    "type": _TYPES,
    "role": frozenset((
        "system", "developer", "user", "assistant", "tool", "function", "critic", "discriminator", "observation",
    )),
    "tool_choice": frozenset(("none", "auto", "required", "any")),
    "function_call": frozenset(("none", "auto")),
    "detail": frozenset(("low", "high", "auto", "original")),
    "effort": frozenset(("none", "minimal", "low", "medium", "high", "xhigh", "max")),
    "reasoning_effort": frozenset(("none", "minimal", "low", "medium", "high", "xhigh", "max")),
    "verbosity": frozenset(("low", "medium", "high")),
    "summary": frozenset(("auto", "concise", "detailed")),
    "service_tier": frozenset(("auto", "default", "flex", "scale", "priority", "standard_only")),
    "encoding_format": frozenset(("float", "base64")),
    "truncation": frozenset(("auto", "disabled")),
    "status": frozenset(("completed", "in_progress", "incomplete", "failed")),
    "modalities": frozenset(("text", "audio", "image")),
    "format": frozenset((
        "wav", "mp3", "flac", "opus", "pcm16", "aac", "date", "time", "date-time", "duration", "email", "uri", "uuid",
        "ipv4", "ipv6", "hostname", "int32", "int64", "float", "double", "byte", "binary", "password", "regex",
    )),
    "media_type": frozenset((
        "image/png", "image/jpeg", "image/gif", "image/webp", "application/pdf", "text/plain", "audio/wav",
        "audio/mpeg",
    )),
    "syntax": frozenset(("lark", "regex")),
    "search_context_size": frozenset(("low", "medium", "high")),
    "truncation_direction": frozenset(("left", "right", "Left", "Right")),
}  # fmt: skip
"""Closed words of the API by the member that holds them; none of them is private."""

NESTED: Final = frozenset((
    *WORDS, *FILES,
    "content", "text", "name", "id", "tool_calls", "tool_call_id", "call_id", "arguments", "function", "parameters",
    "description", "strict", "properties", "required", "items", "enum", "refusal", "reasoning_content", "reasoning",
    "thinking", "signature", "input_audio", "file", "file_id", "filename", "audio", "input", "output", "is_error",
    "tool_use_id", "source", "cache_control", "ttl", "citations", "title", "context", "schema", "json_schema",
    "include_usage", "include_obfuscation", "prediction", "voice", "additionalProperties", "anyOf", "oneOf", "allOf",
    "not", "$ref", "$defs", "$schema", "definitions", "default", "const", "examples", "pattern", "minLength",
    "maxLength", "minimum", "maximum", "minItems", "maxItems", "uniqueItems", "nullable", "exclusiveMinimum",
    "exclusiveMaximum", "multipleOf", "additionalItems", "prefixItems", "propertyNames", "minProperties",
    "maxProperties", "patternProperties", "dependentRequired", "dependentSchemas", "if", "then", "else", "contains",
    "readOnly", "input_schema", "budget_tokens", "disable_parallel_tool_use", "generate_summary", "encrypted_content",
    "annotations", "logprobs", "allowed_tools", "mode", "definition", "user_location", "approximate", "city",
    "country", "region", "timezone", "custom",
))  # fmt: skip
"""Names of members below the first level that the API defines."""
_NUMBER: Final = re.compile(r"[0-9]{1,7}\Z")
"""A name that is a token's number, as in `logit_bias`."""


class Name(NamedTuple):
    """The last step to a text that is a member's name."""

    name: str


class Named(NamedTuple):
    """The last step to a value that is searched with its name, because the name may mark it as secret."""

    member: str


class Texts:
    """The texts of one request, in the order of the document."""

    def __init__(self, tree: Mapping[str, Any], known: Collection[str], without: Collection[str] = ()) -> None:
        """Collect the texts. `known`: names of the first level; `without`: members that are declared or dropped."""
        self._known = known
        self.places: list[tuple[tuple[Any, ...], str]] = []
        for name, value in tree.items():
            if name in without:
                continue
            if name not in known:
                self.places.append(((Name(name),), name))
            self.places.extend(_walk(value, (name,), name))

    @property
    def texts(self) -> list[str]:
        """The texts, in order."""
        return [text for _, text in self.places]

    def pointer(self, index: int) -> str:
        """The pointer to a text; names that the API does not define are hidden."""
        shown: list[str | int] = []
        for step in self.places[index][0]:
            name = step if isinstance(step, str | int) else step[0]
            if isinstance(name, str) and name not in (NESTED if shown else self._known):
                return pointer((*shown, UNDECLARED))
            shown.append(name)
        return pointer(shown)

    def written(self, body: dict[str, Any], texts: Sequence[str]) -> dict[str, Any]:
        """The body with these texts in place of its own; it shares the unchanged parts."""
        changed: dict[tuple[Any, ...], str] = {}
        for (place, old), text in zip(self.places, texts, strict=True):
            if text == old:
                continue
            if isinstance(last := place[-1], Named):
                changed[(*place[:-1], last.member)] = text[len(last.member) + 3 : -1]
            else:
                changed[place] = text
        return _rebuilt(body, (), changed, _ancestors(changed)) if changed else body


def _walk(value: Any, place: Place, member: str) -> Iterator[tuple[tuple[Any, ...], str]]:
    """Texts of a value in this member or in a list in it, each with its path."""
    if isinstance(value, str):
        if not _closed(member, value):
            yield place, value
    elif isinstance(value, list):
        for index, item in enumerate(value):
            if type(item) is not int or item >= LEAST_NUMBER:
                yield from _walk(item, (*place, index), member)
    elif isinstance(value, dict):
        yield from _members(value, place)
    elif type(value) is int and value >= LEAST_NUMBER and member not in NUMBERS_ONLY:
        yield place, str(value)


def _members(value: Mapping[str, Any], place: Place) -> Iterator[tuple[tuple[Any, ...], str]]:
    """Texts of an object: names that the API does not define, and the texts of its values."""
    for name, item in value.items():
        if name not in NESTED and not _NUMBER.match(name):
            yield (*place, Name(name)), name
        if isinstance(item, str) and SECRET_MEMBER.search(name) and SECRET_VALUE.match(item):
            yield (*place, Named(name)), f'{name}: "{item}"'
        else:
            yield from _walk(item, (*place, name), name)


def _closed(member: str, text: str) -> bool:
    """Whether a string is not a text: a closed word, or a file in base64."""
    words = WORDS.get(member)
    if words is not None and text in words:
        return True
    return len(text) >= LEAST_FILE and member in FILES and _FILE.match(text) is not None


def _ancestors(changed: Collection[tuple[Any, ...]]) -> set[tuple[Any, ...]]:
    return {place[:length] for place in changed for length in range(len(place))}


def _rebuilt(value: Any, place: Place, changed: Mapping[tuple[Any, ...], str], above: Collection[tuple[Any, ...]]) -> Any:
    """The value with the changed texts; the same object if none below it changed."""
    if place in changed:
        return changed[place]
    if place not in above:
        return value
    if isinstance(value, list):
        return [_rebuilt(item, (*place, index), changed, above) for index, item in enumerate(value)]
    rebuilt: dict[str, Any] = {}
    for name, item in value.items():
        shown = changed.get((*place, Name(name)), name)
        while shown in rebuilt:  # two names became equal
            shown += "_"
        rebuilt[shown] = _rebuilt(item, (*place, name), changed, above)
    return rebuilt
