"""The outputs that a request asks for, if they are fewer than the declared ones or have another form.

The contract judges only outputs that the request asked for: an output that the client did not ask for is not missing, and a
form that it asked for is not wrong. If the request only changes the answer (another signature, a shorter text), the
contract judges the answer as usual, but a breach is nobody's fault.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from guard.proxy.values import Field, RequestedOutputs, ViolationCode

SIZES: Final[frozenset[ViolationCode]] = frozenset(("items", "length"))
BOUNDS: Final[frozenset[ViolationCode]] = frozenset(("min", "max"))


def all_bent(outputs: Mapping[str, Field]) -> RequestedOutputs:
    """The outputs of a request that may change every output of its answer."""
    return RequestedOutputs(bent=frozenset(outputs))


def tensor_outputs(tree: Mapping[str, Any], outputs: Mapping[str, Field]) -> RequestedOutputs | None:
    """Outputs that an Open Inference request asks for in `outputs`, and their form by Triton's `classification`."""
    wanted = tree.get("outputs")
    bent = all_bent(outputs).bent if tree.get("parameters") else frozenset()
    if not isinstance(wanted, list) or not wanted:
        return RequestedOutputs(bent=bent) if bent else None
    absent = set(outputs)
    for item in wanted:
        if isinstance(item, dict) and isinstance(item.get("name"), str):
            parameters = item.get("parameters")
            if not (isinstance(parameters, dict) and parameters.get("classification")):
                absent.discard(item["name"])
            if parameters:
                bent |= {item["name"]}
    return RequestedOutputs(frozenset(absent), bent=frozenset(bent))


def _tools(tree: Mapping[str, Any]) -> bool:
    return bool(tree.get("tools") or tree.get("functions"))


def _called(tree: Mapping[str, Any]) -> bool:
    """Whether the model must call a tool."""
    choice = tree.get("tool_choice", tree.get("function_call"))
    return _tools(tree) and (choice == "required" or isinstance(choice, dict))


def _has_text_output(tree: Mapping[str, Any]) -> bool:
    """Whether the model must answer in text."""
    modalities = tree.get("modalities")
    if isinstance(modalities, list) and "audio" in modalities:
        return False
    return not _tools(tree) or tree.get("tool_choice") == "none"


_WHERE: Final[tuple[tuple[str, Callable[[Mapping[str, Any]], bool]], ...]] = (
    ("/choices/*/logprobs", lambda tree: bool(tree.get("logprobs"))),
    ("/choices/*/message/tool_calls", _called),
    ("/choices/*/message/function_call", _called),
    ("/choices/*/message/content", _has_text_output),
    ("/choices/*/message/audio", lambda tree: "audio" in (tree.get("modalities") or ())),
)
"""Places that an answer of the OpenAI API has only on request, each with a test whether a request asks for it."""
_BENDING: Final = (
    "tools", "functions", "response_format", "max_tokens", "max_completion_tokens", "stop", "logit_bias", "modalities",
    "echo", "suffix", "logprobs", "top_logprobs", "n", "best_of", "prediction",
)  # fmt: skip
"""Members by which a client changes the generated text and its end."""


def openai_outputs(tree: Mapping[str, Any], outputs: Mapping[str, Field]) -> RequestedOutputs | None:
    """Outputs that a request to the OpenAI API asks for or changes: optional ones, embeddings of another length, texts."""
    absent = frozenset(
        name
        for name, field in outputs.items()
        for place, is_requested in _WHERE
        if (field.at or "").startswith(place) and not is_requested(tree)
    )
    codes = {}
    if tree.get("dimensions") is not None:
        codes = {name: SIZES for name, field in outputs.items() if (field.at or "").startswith("/data/*/embedding")}
    bent = _at(outputs, "/choices") if any(tree.get(name) is not None for name in _BENDING) else frozenset()
    return RequestedOutputs(absent, codes, bent) if absent or codes or bent else None


def tei_outputs(tree: Mapping[str, Any], outputs: Mapping[str, Field]) -> RequestedOutputs | None:
    """Outputs that a request to TEI asks for or changes: texts of ranks, unscaled scores, vectors not normalised."""
    absent = frozenset(outputs) & {"text"} if not tree.get("return_text") else frozenset()
    unscaled = tree.get("raw_scores") is True or tree.get("normalize") is False
    codes = dict.fromkeys(outputs, BOUNDS) if unscaled else {}
    return RequestedOutputs(absent, codes) if absent or codes else None


def envelope_outputs(envelope: Iterable[str], outputs: Mapping[str, Field]) -> RequestedOutputs | None:
    """Outputs that may change by a member beside the instances (`parameters`, `params`, `signature_name`): all of them."""
    return all_bent(outputs) if any(True for _ in envelope) else None


def _at(outputs: Mapping[str, Field], place: str) -> frozenset[str]:
    return frozenset(name for name, field in outputs.items() if (field.at or "").startswith(place))
