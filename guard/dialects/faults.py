"""The party at fault for an error of a model server: one table of statuses, with the part of a request that can cause each.

The law: no client can make the model unavailable to others. Whatever part of a request a client controls (path parameters,
query, fields, credentials, body, method, deadline), an error that this part can cause is the client's: it gets the server's
status in the dialect's own words, and no breaker counts it. What no client can cause is the server's, and counts: a fixed
path that is not there, or redirects, is a wrong deployment. The reasons stand in the table, from which docs/dialects.md is
made.

Source: RFC 9110 §15, RFC 6585, RFC 7725, RFC 8470. An unknown status is read as the first of its class (RFC 9110 §15).
"""

from collections.abc import Callable, Mapping
from typing import Final

from guard.proxy.values import STREAM, Cause, Fault, ForwardedRequest, Outcome

_REDIRECT: Final = Fault(
    "path", "unavailable", "a client's path may redirect; a fixed path that does is a wrong deployment"
)
_OURS: Final = "no request of guard causes it"

STATUSES: Final[Mapping[int, Fault]] = {
    **dict.fromkeys((300, 301, 302, 303, 305, 306, 307, 308), _REDIRECT),
    304: Fault("condition", "model_fault", "the answer that a conditional request asks for", "ok"),
    400: Fault("content", "model_fault", "the server may reject any part of a request"),
    401: Fault("credentials", "unproven", "the client's own credentials, or that it sent none; or those of the deployment"),
    402: Fault("credentials", "unproven", "the account of the client's own credentials"),
    403: Fault("credentials", "unproven", "what the client's own credentials do not allow"),
    404: Fault("names", "unavailable", "the client named what does not exist; a fixed path is a wrong deployment"),
    405: Fault("path", "unavailable", "a path, or HEAD, that the client chose; a fixed path is a wrong deployment"),
    406: Fault("content", "model_fault", "Accept is the client's"),
    407: Fault("credentials", "unproven", "as 401"),
    408: Fault("body", "unavailable", "a body may be too long or too slow for the server's time limit"),
    409: Fault("content", "model_fault", "the request does not fit the state of what it names"),
    410: Fault("names", "unavailable", "as 404"),
    411: Fault("streamed", "model_fault", "a streamed body has the length that its client declared"),
    412: Fault("condition", "unavailable", "the request's own condition failed"),
    413: Fault("content", "model_fault", "the size of a body is the client's"),
    414: Fault("content", "model_fault", "the query is the client's on any path"),
    415: Fault("content", "model_fault", "Content-Type and Content-Encoding are the client's"),
    416: Fault("range", "model_fault", "Range is the client's"),
    417: Fault("never", "model_fault", "guard answers Expect itself: " + _OURS),
    421: Fault("never", "unavailable", "Host is the policy's"),
    422: Fault("content", "model_fault", "the document is the client's"),
    423: Fault("path", "unavailable", "what the client named is locked; on a fixed path the deployment's"),
    424: Fault("never", "model_fault", "a part that the server depends on failed"),
    425: Fault("early", "unavailable", "the client says that the request may be a replay (Early-Data)"),
    426: Fault("never", "unavailable", "Upgrade is not forwarded: " + _OURS),
    428: Fault("content", "model_fault", "the client may send the condition that is asked for"),
    429: Fault("credentials", "overload", "a limit of its credentials closes the rung for it alone", "client_limit"),
    431: Fault("content", "model_fault", "the fields are the client's"),
    451: Fault("content", "model_fault", "the server may not serve the requested content"),
    499: Fault("never", "unavailable", "the server believes that guard closed the connection"),
    501: Fault("path", "unavailable", "a method, version or path that the client chose; on a fixed path the deployment's"),
    502: Fault("never", "unavailable", "something behind the server is not there"),
    503: Fault("never", "overload", "the server asks for time"),
    504: Fault("never", "unavailable", "something behind the server is slow; at the client's own deadline nobody's fault"),
}  # fmt: skip
"""The fault of each status; a dialect's own rows replace these."""

UNKNOWN_CLIENT: Final = Fault("content", "model_fault", "an unknown 4xx is read as 400 (RFC 9110 §15)")
UNKNOWN_REDIRECT: Final = _REDIRECT
UNKNOWN_SERVER: Final = Fault("never", "model_fault", "an unknown 5xx is read as 500 (RFC 9110 §15)")

_CONDITIONS: Final = (b"if-match", b"if-none-match", b"if-modified-since", b"if-unmodified-since", b"if-range")
_CHOICES: Final = (b"x-amzn-sagemaker-target-model", b"x-amzn-sagemaker-target-variant", b"serve_multiplexed_model_id")
"""Header fields by which a client names a model."""


def _path(request: ForwardedRequest) -> bool:
    """Whether the client chose where the request goes: by the path, the query or the method."""
    return request.free_path or request.head.method == b"HEAD" or b"?" in request.head.target


def _names(request: ForwardedRequest) -> bool:
    """Whether the client chose the model: by path, query or method, by a header field, or in the body."""
    if _path(request) or (request.message is not None and request.message.chosen):
        return True
    return any(request.head.get(name) is not None for name in _CHOICES)


def _never(request: ForwardedRequest) -> bool:
    del request
    return False


def _content(request: ForwardedRequest) -> bool:
    del request
    return True


CAUSES: Final[Mapping[Cause, Callable[[ForwardedRequest], bool]]] = {
    "never": _never,
    "content": _content,
    "body": lambda request: request.body is STREAM or bool(request.body),
    "path": _path,
    "names": _names,
    "credentials": lambda request: request.keyed or request.head.credentialed,
    "condition": lambda request: any(request.head.get(name) is not None for name in _CONDITIONS),
    "range": lambda request: request.head.get(b"range") is not None,
    "early": lambda request: request.head.get(b"early-data") is not None,
    "streamed": lambda request: request.body is STREAM,
}
"""Functions that tell whether a request has the part that can cause a status."""


def row(faults: Mapping[int, Fault], status: int) -> Fault:
    """The row of a status outside 2xx; an unknown status has the row of its class."""
    fault = faults.get(status) or STATUSES.get(status)
    if fault is not None:
        return fault
    if 400 <= status < 500:
        return UNKNOWN_CLIENT
    return UNKNOWN_SERVER if status >= 500 else UNKNOWN_REDIRECT


def judge(faults: Mapping[int, Fault], status: int, request: ForwardedRequest) -> Outcome:
    """The outcome of a request that got a status outside 2xx: the party at fault."""
    fault = row(faults, status)
    return fault.then if CAUSES[fault.cause](request) else fault.otherwise
