"""A private value at any place of a request is replaced or refused: what the model server receives never holds it."""

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.proxy.values import Refused, Route
from tests.dialects.speaking import JSON, ask, compiled, dumps, forwarded

FIND = "jane@example.com"
DETECT = "texts: {type: array, items: {type: string, detect: [email, card, token]}}"
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string", "description": "d", "enum": ["x"]}},
    "required": ["city"],
}
CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"to": "x", "n": 1}'}}
CHAT = {
    "model": "m-1", "user": "u", "metadata": {"k": "v"}, "stop": ["s"], "logit_bias": {"50256": -100},
    "messages": [
        {"role": "system", "content": "a", "name": "n"},
        {"role": "user", "content": [{"type": "text", "text": "b"}, "c", {"type": "image_url", "image_url": {"url": "https://x.io/i.png"}}]},
        {"role": "user", "content": {"type": "text", "text": "d"}},
        {"role": "assistant", "content": None, "refusal": "r", "reasoning_content": "t", "tool_calls": [CALL], "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "tool", "tool_call_id": "call_1", "content": "e"},
    ],
    "prediction": {"type": "content", "content": [{"type": "text", "text": "p"}]},
    "tools": [{"type": "function", "function": {"name": "f", "description": "d", "parameters": SCHEMA}}],
    "functions": [{"name": "f", "description": "d", "parameters": SCHEMA}],
    "tool_choice": {"type": "function", "function": {"name": "f"}},
    "response_format": {"type": "json_schema", "json_schema": {"name": "s", "description": "d", "schema": SCHEMA}},
    "web_search_options": {"user_location": {"type": "approximate", "approximate": {"city": "b"}}},
}  # fmt: skip
RESPONSES = {
    "model": "m-1", "instructions": "i",
    "input": [
        {"role": "user", "content": [{"type": "input_text", "text": "a"}]}, {"role": "user", "content": "b"},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "o"},
        {"type": "reasoning", "id": "rs", "summary": [{"type": "summary_text", "text": "s"}]},
    ],
    "tools": [{"type": "function", "name": "f", "description": "d", "parameters": SCHEMA}], "prompt": {"id": "p", "variables": {"v": "w"}},
}  # fmt: skip
MESSAGES = {
    "model": "m-1", "system": [{"type": "text", "text": "s"}], "stop_sequences": ["x"],
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "document", "source": {"type": "text", "data": "d"}, "title": "t"}]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {"to": "x", "deep": [{"er": "y"}]}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "r"}]}]},
    ],
    "tools": [{"name": "f", "description": "d", "input_schema": SCHEMA}],
}  # fmt: skip
REQUESTS: dict[str, tuple[str, Any]] = {
    "/v1/chat/completions": ("openai", CHAT),
    "/v1/responses": ("openai", RESPONSES),
    "/v1/messages": ("openai", MESSAGES),
    "/v1/completions": ("openai", {"model": "m", "prompt": ["a", "b"], "suffix": "s"}),
    "/v1/embeddings": ("openai", {"model": "m", "input": ["a", "b"]}),
    "/v1/rerank": ("openai", {"model": "m", "query": "q", "documents": ["a", {"text": "b"}]}),
    "/embed": ("tei", {"inputs": ["a", "b"], "prompt_name": "query", "truncation_direction": "right"}),
    "/similarity": ("tei", {"inputs": {"source_sentence": "a", "sentences": ["b"]}, "parameters": {"prompt_name": "query"}}),
    "/predict": ("tei", {"inputs": [["a", "b"]]}),
    "/rerank": ("tei", {"query": "q", "texts": ["a", "b"], "truncation_direction": "Left"}),
}  # fmt: skip


def route_of(path: str, undeclared: str = "strip") -> Route:
    dialect = REQUESTS[path][0]
    query = ", query: {type: string, detect: [email, card, token]}" if path == "/rerank" else ""
    return compiled(f"dialect: {dialect}\nundeclared: {undeclared}\ninput: {{{DETECT}{query}}}\n", f"POST {path}")


def places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where a string stands, and (…, name, None) where a name does."""
    if isinstance(value, str):
        yield place
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from places(item, (*place, index))
    elif isinstance(value, dict):
        for name, item in value.items():
            yield (*place, name, None)
            yield from places(item, (*place, name))


def planted(tree: Any, place: tuple[Any, ...], find: Any) -> Any:
    """The request with the find there."""
    tree = copy.deepcopy(tree)
    node = tree
    for step in place[: -2 if place[-1] is None else -1]:
        node = node[step]
    if place[-1] is None:
        node[find] = node.pop(place[-2])
    else:
        node[place[-1]] = find
    return tree


def received(route: Route, tree: Any) -> bytes:
    """What the model server gets; nothing where the request is refused."""
    try:
        return forwarded(ask(route, JSON, dumps(tree)))[1]
    except Refused:
        return b""


ALL = [(path, place) for path, (_, tree) in REQUESTS.items() for place in places(tree)]
FINDS = [FIND, f"mail {FIND}.", json.dumps({"to": FIND}), "4111111111111111", "hf_aBcDeFgHiJkLmNoPqRsTuVwXyZaBcDeFgH"]


@pytest.mark.parametrize("undeclared", ["strip", "pass", "reject"])
@pytest.mark.parametrize("path", REQUESTS)
def test_no_place_of_a_request_carries_a_find_to_the_model(path: str, undeclared: str) -> None:
    route = route_of(path, undeclared)
    leaks = [
        (place, find)
        for at, place in ALL
        if at == path
        for find in FINDS
        if any(
            item in received(route, planted(REQUESTS[path][1], place, find))
            for item in (FIND.encode(), b"4111111111111111", b"hf_aBc")
        )
    ]
    assert leaks == []


@pytest.mark.parametrize("path", REQUESTS)
def test_a_request_without_finds_reaches_the_model_as_it_was(path: str) -> None:
    assert json.loads(received(route_of(path), REQUESTS[path][1])) == REQUESTS[path][1]


@given(
    st.recursive(
        st.just(FIND) | st.just("x") | st.integers() | st.none(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["content", "text", "data", "url", "type", "q", FIND]), inner, max_size=3)
        ),
        max_leaves=12,
    ),
    st.sampled_from(["messages", "input", "prompt", "tools", "metadata", "stop", "reasoning"]),
)
def test_no_shape_hides_a_find(value: Any, member: str) -> None:
    assert FIND.encode() not in received(route_of("/v1/chat/completions"), {"model": "m", member: value})


def test_arguments_of_a_tool_call_stay_json() -> None:
    tree = {
        "messages": [
            {
                "role": "assistant",
                "tool_calls": [
                    {
                        "id": "c",
                        "type": "function",
                        "function": {"name": "f", "arguments": json.dumps({"to": FIND, "card": 4111111111111111})},
                    }
                ],
            }
        ]
    }
    sent = json.loads(received(route_of("/v1/chat/completions"), tree))
    assert json.loads(sent["messages"][0]["tool_calls"][0]["function"]["arguments"]) == {"to": "[email]", "card": "[card]"}


def test_numbers_that_a_model_reads_are_searched() -> None:
    tree = {
        "messages": [
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {"pan": 4111111111111111, "n": 12}}],
            }
        ]
    }
    sent = json.loads(received(route_of("/v1/messages"), tree))
    assert sent["messages"][0]["content"][0]["input"] == {"pan": "[card]", "n": 12}


def test_a_name_that_says_secret_is_read_with_its_value() -> None:
    secrets = {"password": "hunter 22", "db": {"api_key": "a1b2c3d4"}, "note": "hunter 22", "token": FIND, "secret": "none"}
    tree = {
        "messages": [{"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": secrets}]}]
    }
    sent = json.loads(received(route_of("/v1/messages"), tree))["messages"][0]["content"][0]["input"]
    assert sent == {
        "password": "[token]", "db": {"api_key": "[token]"}, "note": "hunter 22", "token": "[token]", "secret": "none",
    }  # fmt: skip


def test_two_names_that_become_one_are_both_kept() -> None:
    tree = {"messages": [], "metadata": {FIND: "a", "x@example.com": "b"}}
    assert json.loads(received(route_of("/v1/chat/completions"), tree))["metadata"] == {"[email]": "a", "[email]_": "b"}


def test_a_file_in_base64_is_not_searched_and_a_short_one_is() -> None:
    route = route_of("/v1/chat/completions")
    for length, kept in ((400, True), (40, False)):
        data = "A" * length + "/" + "4111111111111111"
        tree = {
            "messages": [
                {"role": "user", "content": [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}]}
            ]
        }
        assert (b"4111111111111111" in received(route, tree)) is kept


def test_length_limits_count_what_is_searched() -> None:
    route = compiled(
        "dialect: openai\ninput: {characters: {type: integer, max: 20}, model: {type: string}}\n",
        "POST /v1/chat/completions",
    )
    call = {"role": "assistant", "tool_calls": [{"type": "function", "function": {"name": "f", "arguments": "x" * 30}}]}
    assert received(route, {"model": "m", "messages": [call]}) == b""
    assert received(route, {"model": "m", "messages": [{"role": "user", "content": "x" * 20}]}) != b""


def test_a_refusal_repeats_no_name_of_the_client() -> None:
    route = compiled(
        "dialect: openai\ninput: {texts: {type: array, items: {type: string, max_length: 3}}}\n",
        "POST /v1/chat/completions",
    )
    tool = {
        "type": "function",
        "function": {"name": "f", "parameters": {"type": "object", "properties": {"secret": {"description": "long"}}}},
    }
    with pytest.raises(Refused) as refused:
        ask(route, JSON, dumps({"tools": [tool]}))
    assert {violation.pointer for violation in refused.value.violations} == {
        "/tools/0/function/parameters/properties/<undeclared>"
    }
