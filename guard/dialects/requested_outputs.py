"""What a request asks of its answer, where that is less than, or other than, the outputs that are declared.

The output contract is judged as far as the request asked for it: what the client did not ask for is not missing, and a form
that it asked for is not wrong. Where it only bends the answer (another signature, a shorter text), the answer is judged as
ever, but a breach blames nobody.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from guard.proxy.values import Field, RequestedOutputs, ViolationCode

SIZES: Final[frozenset[ViolationCode]] = frozenset(("items", "length"))
BOUNDS: Final[frozenset[ViolationCode]] = frozenset(("min", "max"))


def all_bent(outputs: Mapping[str, Field]) -> RequestedOutputs:
    """Anything of the answer may be other than declared."""
    return RequestedOutputs(bent=frozenset(outputs))


def tensor_outputs(tree: Mapping[str, Any], outputs: Mapping[str, Field]) -> RequestedOutputs | None:
    """Of the Open Inference Protocol: `outputs` names those that are wanted, and Triton's `classification` their form."""
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
"""Where the OpenAI API answers only if asked, and when a request has asked."""
_BENDING: Final = (
    "tools", "functions", "response_format", "max_tokens", "max_completion_tokens", "stop", "logit_bias", "modalities",
    "echo", "suffix", "logprobs", "top_logprobs", "n", "best_of", "prediction",
)  # fmt: skip
"""Members by which a client shapes what is generated, and how it ends."""


def openai_outputs(tree: Mapping[str, Any], outputs: Mapping[str, Field]) -> RequestedOutputs | None:
    """Of the OpenAI API: what is only there when asked for, embeddings of another length, and what shapes a text."""
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
    """Of Text Embeddings Inference: texts of ranks only where asked for, scores and vectors that are not scaled."""
    absent = frozenset(outputs) & {"text"} if not tree.get("return_text") else frozenset()
    unscaled = tree.get("raw_scores") is True or tree.get("normalize") is False
    codes = dict.fromkeys(outputs, BOUNDS) if unscaled else {}
    return RequestedOutputs(absent, codes) if absent or codes else None


def envelope_outputs(envelope: Iterable[str], outputs: Mapping[str, Field]) -> RequestedOutputs | None:
    """Of bodies with instances: what stands beside them (`parameters`, `params`, `signature_name`) bends the answer."""
    return all_bent(outputs) if any(True for _ in envelope) else None


def _at(outputs: Mapping[str, Field], place: str) -> frozenset[str]:
    return frozenset(name for name, field in outputs.items() if (field.at or "").startswith(place))
