"""Sentences on what guard does with a request as a whole, what it reports and what it keeps, as the policy implies them.

Each is true of this version; the module that makes it so is named beside it.
"""

from collections.abc import Iterator
from typing import Final, assert_never

from guard.kit.description import ContractDescription, PolicyDescription, RouteDescription
from guard.kit.privacy.counted import kept_counts
from guard.kit.privacy.forms import kept_text
from guard.kit.privacy.values import Note, Owner, Recipient
from guard.policy.disclosure import MOST_ROWS
from guard.policy.fields import SchemaFile
from guard.policy.models import Policy, Webhook
from guard.privacy.fence import MOST_CHARACTERS, MOST_ITEMS


def owners(policy: Policy) -> Iterator[Owner]:
    """The declared owners."""
    for role, name in policy.owners.named():
        yield Owner(role.replace("_", " "), name)


def recipients(described: PolicyDescription) -> Iterator[Recipient]:
    """Recipients of data, the model servers first."""
    policy = described.policy
    served = tuple(route.key for route in described.routes if route.body != "denied")
    gets = "requests, in the forms below; `--upstream` and `GUARD_UPSTREAM` may name another"
    yield Recipient("model server", str(policy.upstream.url), served, gets)
    before: dict[str, list[str]] = {}
    for route in described.contracts:
        if (previous := route.contract.fallback.previous) is not None:
            before.setdefault(str(previous.url), []).append(route.key)
    for url, keys in before.items():
        yield Recipient("previous model server", url, tuple(keys), "the same requests, where the model does not answer")
    yield Recipient("clients", None, served, "answers; of errors a code and the place, never a value that was sent")
    yield Recipient("reader of standard error", None, (), "the log")
    if policy.telemetry.prometheus:
        yield Recipient("scraper of `/metrics`", str(policy.listen.ops), (), "metrics")
    for hook in policy.webhooks:
        gets = "notices of incidents: words of guard, the policy and operators, the model's version; nothing of a client"
        yield Recipient("webhook", _webhook(hook), (), gets)
    yield Recipient(
        "OTLP endpoints", None, (), "metrics, traces and log, if `OTEL_*` variables of the environment name them"
    )


def _webhook(hook: Webhook) -> str:
    """The host of a URL, without the parts that may be secret."""
    if isinstance(hook.url, str):
        return "/".join(hook.url.split("/")[:3])
    return hook.url.env or str(hook.url.file)


# ── one route ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def route_notes(route: RouteDescription) -> Iterator[Note]:
    """Notes on a route as a whole."""
    match route.body:
        case "denied":
            yield Note("Denied: answered with 404, as if it were not there. Nothing is forwarded or kept.")
        case "passthrough":
            yield Note(
                "Passthrough: bytes are forwarded as sent, both ways and errors included. Nothing is known of them, and "
                "nothing of them is logged, traced, measured or kept."
            )
        case "schema" | "fields":
            pass
        case "opaque":
            text = (
                "The body is opaque: its type and size are checked, its bytes are forwarded as sent, and nothing of them "
                "is logged, traced or measured. Allowed types"
            )
            yield Note(text, route.content)
        case "unread":
            yield Note(
                "No input is declared: a body is forwarded as sent, unread, and nothing of it is logged, traced or "
                "measured."
            )
        case _:
            assert_never(route.body)
    if isinstance(route, ContractDescription):
        yield from _documents(route)
        yield from _answers(route)


def _documents(route: ContractDescription) -> Iterator[Note]:
    """Notes on the handling of requests: guard.contract.input."""
    file = route.contract.input
    if isinstance(file, SchemaFile):
        sent = "as sent" if route.observe else "as a whole"
        text = (
            f"The input is declared by a JSON Schema file, which has no sensitivities. A document is forwarded {sent}; no "
            "value of it is logged, traced or measured, violations are counted. The file"
        )
        yield Note(text, (str(file.schema_),))
    elif route.body != "fields":
        return
    if route.observe:
        yield Note(
            "`enforcement: observe`: violations are counted; nothing is denied, stripped, defaulted or replaced. The model "
            "receives the client's own bytes; only `send: false` still acts, and a body that is not JSON is refused."
        )
    if route.body == "schema":
        return
    yield Note(_UNDECLARED["observe" if route.observe else route.contract.undeclared])


_UNDECLARED: Final = {
    "observe": "Undeclared members reach the model unread; they are never logged, traced or measured.",
    "strip": "`undeclared: strip`: members that are not declared are removed, and nobody receives them.",
    "reject": "`undeclared: reject`: a request with members that are not declared is denied; nobody receives it.",
    "pass": "`undeclared: pass`: members that are not declared reach the model unread. They are never logged, traced "
    "or measured.",
}


def _answers(described: ContractDescription) -> Iterator[Note]:
    """Notes on the handling of answers: guard.contract.output, guard.ladder.cached."""
    route, cached = described.contract, described.contract.fallback.cached
    holds = cached is not None and described.keeps
    if route.stream:
        yield Note("Answers are streamed to the client as they come; guard does not read them.")
    elif isinstance(route.output, SchemaFile):
        text = "Answers are checked against a JSON Schema file; no value of them is logged, traced or measured. The file"
        yield Note(text, (str(route.output.schema_),))
    elif not route.output:
        yield Note("No output is declared: answers go to the client, and no value of them is logged, traced or measured.")
    else:
        where = "to the client, and with the answer into the cache" if holds else "to the client and nowhere else"
        yield Note(f"Members of an answer that are not declared go {where}.")
    if cached is not None and holds:
        scope = "what was sent" if cached.key is None else "the fields of `key`"
        yield Note(
            f"Whole answers of the model are {kept_text(cached)}. Each is found by a keyed digest (BLAKE2b-256) of the "
            f"method, the target with its query, and {scope}; the key is random and dies with the process. Requests with "
            "several rows are not cached, nor are those with `Authorization` or `Cookie`, unless `scope` names the "
            "header" + (", which then is part of the digest. Named" if cached.scope else "."),
            cached.scope,
        )
    if route.fallback.rules is not None and route.inputs:
        yield Note("Rules read the input inside guard; what they answer goes to the client.")


# ── the request itself ────────────────────────────────────────────────────────────────────────────────────────────────


def request(policy: Policy) -> Iterator[Note]:
    """Heads, errors, what operators can change: guard.proxy.headers, .forwarding and .tracing, guard.control."""
    yield Note(
        "Headers are forwarded to the model server as sent, `Authorization` and `Cookie` included. Not forwarded: "
        "hop-by-hop fields, trailers, `x-guard-*`, the route's `deadline_header`, and what the next lines say. No header "
        "is logged, traced or measured, but for the trace id of a `traceparent`, which is in log and traces."
    )
    yield Note("The path and the query are forwarded as sent. Telemetry has the route's template in their place.")
    yield Note(
        "The client's address is told to the model server in `X-Forwarded-For`. It is never logged, traced or measured."
    )
    own = "guard writes its own `X-Forwarded-For`, `X-Forwarded-Proto`, `X-Forwarded-Host` and `Via`"
    claims = "`X-Forwarded-*`, `Forwarded`, `Via`, `X-Real-IP` and `tracestate`"
    if policy.trusted_proxies:
        networks = tuple(str(network) for network in policy.trusted_proxies)
        yield Note(
            f"What others say in {claims} is dropped, and {own}; what trusted proxies say is kept. Trusted", networks
        )
    else:
        yield Note(f"No proxy is trusted: what is said in {claims} is dropped, and {own}.")
    yield Note("`traceparent` is forwarded where it is well-formed, or guard's own in its place, and so is a request id.")
    if policy.privacy.baggage:
        yield Note("Of `baggage` only these members are forwarded", policy.privacy.baggage)
    else:
        yield Note("`baggage` is dropped.")
    yield Note(
        "Errors of a model server are replaced by guard's own, which hold a code and places, never a value or the server's "
        "text; on passthrough routes they are relayed."
    )
    yield Note(
        "Operators may stop enforcing a route's contract for a time (`guard observe`, which is audited). Until then it is "
        "as under `enforcement: observe`: the client's own bytes, nothing stripped or replaced; only `send: false` still "
        "acts."
    )


def telemetry(policy: Policy) -> Iterator[Note]:
    """Notes on telemetry and its recipients: guard.telemetry, guard.privacy."""
    share = policy.model_dump(include={"telemetry": {"trace_sample"}})["telemetry"]["trace_sample"]
    yield Note(
        "The log has a line for each exchange that was denied, fell back or failed, within a rate, and for sampled ones. "
        "Of violations it has place and code. Only sampled lines show values: those that the tables name, and of answers "
        f"only where they keep their contract. Texts pass every detector and are cut at {MOST_CHARACTERS} characters, "
        f"lists at {MOST_ITEMS} items; of a request with several rows {MOST_ROWS} are shown."
    )
    decides = " or a trusted proxy's own decision" if policy.trusted_proxies else ""
    yield Note(f"{share} of exchanges are sampled (`telemetry.trace_sample`), or as `OTEL_TRACES_SAMPLER`{decides} says.")
    if policy.privacy.traces == "off":
        yield Note("`privacy.traces: off`: there are no traces.")
    else:
        yield Note(
            "Traces hold metadata only: method, route template, status, source, reason, codes, request id, model version, "
            "address of the model server, times. No path, query, header, address of a client, or value."
        )
    yield Note(
        "Metrics are counts and histograms by route template, declared names, codes and the contract's classes. Violations "
        "are counted for every declared field and output."
    )
    if policy.telemetry.prometheus:
        yield Note("Whoever reaches the ops listener can read `/metrics`. It listens on", (str(policy.listen.ops),))
    else:
        yield Note("`telemetry.prometheus: false`: there is no `/metrics`.")
    yield Note("OTLP endpoints come from the environment (`OTEL_*`), not from the policy; without one nothing is exported.")
    yield _hash_key(policy)


def _hash_key(policy: Policy) -> Note:
    key = policy.privacy.hash_key
    if key is None:
        return Note("There is no `privacy.hash_key`: `[redacted]` stands where a keyed hash would.")
    text = (
        "Hashes are HMAC-SHA-256 over the field's name and value, cut to 128 bits, with an id of the key; who has the key "
        "can find a value by trying. Until the key is there, `[redacted]` stands in their place. It is read from "
    )
    if key.env is not None:
        return Note(text + "the environment variable", (key.env,))
    return Note(text + "the file", (str(key.file),))


def kept_notes(described: PolicyDescription) -> Iterator[Note]:
    """Notes on data that outlives an exchange: guard.ladder.cached, guard.control.state, guard.control.audit."""
    yield Note("Requests and answers are held in memory while they are under way, and then let go.")
    holds = tuple(
        contract.key for contract in described.contracts if contract.keeps and contract.contract.fallback.cached is not None
    )
    if holds:
        yield Note("Answers are kept in memory by the cached rung, and lost with the process, on", holds)
    counts = "".join(f"{each}, " for each in kept_counts(described))
    yield Note(
        "On disk, in the state folder, guard keeps operators' orders; the audit log of them, with operators' names and the "
        f"reasons that they gave; the last good policy; its own address and token; {counts}and the "
        "day's cost. None holds anything of a single request. The folder",
        (str(described.policy.state_dir),),
    )
