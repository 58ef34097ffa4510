"""No client can take the model from the others: garbage in any part of a request that a client controls, six times."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from guard.dialects import DIALECTS
from guard.dialects.faults import CAUSES, STATUSES, row
from guard.proxy.values import STREAM, Answer, ForwardedRequest, Head, Headers
from tests.dialects.blame import SUBJECTS, Server, Subject, answering, converse, head_of, plan_of, state_of, wrong_bodies
from tests.dialects.faults_page import PAGE, written
from tests.dialects.speaking import JSON, dumps

SIX = 6
subjects = pytest.mark.parametrize("subject", SUBJECTS, ids=str)
modes = pytest.mark.parametrize("observe", [False, True], ids=["enforce", "observe"])
CREDENTIALS = (b"authorization", b"x-api-key", b"api-key", b"cookie", b"ocp-apim-subscription-key", b"x-auth-token")


def elsewhere(subject: Subject) -> str:
    """A target that the client chose."""
    template = subject.key.partition(" ")[2]
    return template.split("{")[0] + "nope" + template.split("}")[1] if "{" in template else subject.target


def cases(subject: Subject, *, observe: bool) -> Iterator[tuple[str, Head, bytes, Server]]:
    """Each part of a request with something wrong in it, and how a server of the dialect answers that."""
    body = dumps(subject.body)
    plain = subject.error("invalid")
    free = "{" in subject.key
    for status, said in subject.path_errors:
        yield f"path {status}", head_of(subject, target=elsewhere(subject)), body, answering(status, JSON, said)
    for status in (301, 302, 303, 307, 308, 404, 405, 410) if free else (404, 405, 307):
        target = elsewhere(subject) if free else subject.target + "?x=%27"
        if free or (status, subject.dialect) not in ((404, "openai"), (404, "tei")):  # whose own rows ask for more
            yield f"names {status}", head_of(subject, target=target), body, answering(status, JSON, plain)
    for status in (401, 402, 403, 407, 429):
        for name in CREDENTIALS:
            head = head_of(subject, (name, b"bad"), keyed=False)
            yield f"{name.decode()} {status}", head, body, answering(status, JSON, plain)
        if status != 429:
            yield f"no credentials {status}", head_of(subject, keyed=False), body, answering(status, JSON, plain)
    for name, status in (
        (b"accept", 406), (b"if-match", 412), (b"early-data", 425), (b"x-junk", 431), (b"content-language", 400),
        (b"x-junk", 414),
    ):  # fmt: skip
        if (status, subject.dialect) != (412, "tfserving"):
            yield f"{name.decode()} {status}", head_of(subject, (name, b"'")), body, answering(status, JSON, plain)
    for status in (504, 408):
        head = head_of(subject, (b"x-request-timeout", b"0.07"))
        yield f"deadline {status}", head, body, answering(status, JSON, plain)
    for status, said in subject.body_errors:
        for at, bent in wrong_bodies(subject.body):
            yield f"body {at} {status}", head_of(subject), bent, answering(status, JSON, said)
        for status in (413, 408, 428, 451, 418, 430):
            if (status, subject.dialect) != (408, "tfserving"):
                yield f"body {status}", head_of(subject), body, answering(status, JSON, plain)
    for status, said in subject.model_errors:
        bent = dumps({**subject.body, subject.model: "nope"})
        yield f"model {status}", head_of(subject), bent, answering(status, JSON, said)
    if observe:
        document = json.loads(dumps(subject.body).replace(b"34", b"-34"))
        if subject.dialect == "openai":
            document["messages"][0]["content"] = "x" * 101
        if subject.dialect == "tei":
            document["inputs"] = ["a"] * 5
        for status, said in subject.contract_errors:
            yield f"contract {status}", head_of(subject), dumps(document), answering(status, JSON, said)
        yield "contract invalid", head_of(subject), dumps(document), answering(200, JSON, b'{"odd":1}')


def test_every_dialect_of_the_registry_is_held() -> None:
    assert {item.dialect for item in SUBJECTS} == set(DIALECTS)


@subjects
@modes
def test_no_client_can_take_the_model_from_the_others(subject: Subject, observe: bool) -> None:
    plan = plan_of(subject, observe=observe)
    good = answering(200, JSON, dumps(subject.answer))
    body = dumps(subject.body)

    def fine() -> None:
        status, headers, _ = converse(plan, head_of(subject), body, good)
        assert (status, headers[b"x-guard-source"]) == (200, b"model")

    fine()
    count = 0
    for name, head, bent, server in cases(subject, observe=observe):
        for _ in range(SIX if count < 60 else 1):  # of one, the breaker would already open
            converse(plan, head, bent, server)
        state = state_of(plan)
        assert (state["state"], state["failures"], state["invalid"]) == ("closed", 0, 0), name
        count += 1
        if count % 50 == 0:
            fine()
    fine()
    assert count > 100


@subjects
def test_the_client_gets_its_own_status_in_the_dialects_words(subject: Subject) -> None:
    plan = plan_of(subject, observe=False)
    secret = b"Ann Example, 4111"
    for status in (401, 403, 422, 413):
        answer = answering(status, [*JSON, (b"www-authenticate", b"Bearer")], subject.error(secret.decode()))
        got, headers, body = converse(plan, head_of(subject), dumps(subject.body), answer)
        assert got == status
        assert b"upstream_refused" in body
        assert secret not in body
        assert (b"www-authenticate" in headers) is (status == 401)
        assert json.loads(body)


@subjects
@pytest.mark.parametrize("status", [301, 307, 404, 405, 500, 502])
def test_what_no_client_can_cause_counts(subject: Subject, status: int) -> None:
    """A fixed path that is not there, or redirects, is a wrong deployment."""
    body = {name: value for name, value in subject.body.items() if name != "signature_name"}
    fixed = Subject(**{**vars(subject), "key": f"POST {subject.target}", "body": body})
    plan = plan_of(fixed, observe=False)
    _, headers, _ = converse(plan, head_of(fixed), dumps(fixed.body), answering(status, JSON, b'{"detail":"Not Found"}'))
    assert headers[b"x-guard-source"] != b"model"
    assert state_of(plan)["state"] == "open"


@pytest.mark.parametrize("status", [401, 402, 403, 407])
def test_a_client_without_credentials_cannot_take_the_model_from_those_who_have_some(status: int) -> None:
    """Not even as the first of all: it gets the next rung's answer, and blames nobody."""
    plan = plan_of(SUBJECTS[0], observe=False)
    for _ in range(SIX):
        bare = head_of(SUBJECTS[0], keyed=False)
        _, headers, _ = converse(plan, bare, dumps(SUBJECTS[0].body), answering(status, JSON, b""))
        assert (headers[b"x-guard-source"], headers[b"x-guard-reason"]) == (b"rules", b"status")
    assert state_of(plan)["state"] == "closed"


def test_once_credentials_were_accepted_a_client_without_any_is_at_fault_itself() -> None:
    plan = plan_of(SUBJECTS[0], observe=False)
    converse(plan, head_of(SUBJECTS[0]), dumps(SUBJECTS[0].body), answering(200, JSON, dumps(SUBJECTS[0].answer)))
    status, _, _ = converse(plan, head_of(SUBJECTS[0], keyed=False), dumps(SUBJECTS[0].body), answering(401, JSON, b""))
    assert status == 401
    assert state_of(plan)["state"] == "closed"


def test_a_gateway_that_is_too_slow_of_itself_counts() -> None:
    plan = plan_of(SUBJECTS[0], observe=False)
    converse(
        plan, head_of(SUBJECTS[0], (b"x-request-timeout", b"3600")), dumps(SUBJECTS[0].body), answering(504, JSON, b"")
    )
    assert state_of(plan)["state"] == "open"


@pytest.mark.parametrize("name", DIALECTS)
@pytest.mark.parametrize("status", range(300, 600))
def test_every_status_has_a_row_with_a_reason(name: str, status: int) -> None:
    fault = row(DIALECTS[name].faults, status)
    assert fault.why
    assert fault.cause in CAUSES
    bare = ForwardedRequest(Head(b"POST", b"/p", []), b"")
    assert DIALECTS[name].outcome(Answer(status, [], b""), bare) != "ok"


FIELDS: tuple[tuple[Headers, str], ...] = (
    ([(b"authorization", b"x")], "credentials"), ([(b"range", b"bytes=0-1")], "range"), ([(b"early-data", b"1")], "early"),
    ([(b"if-none-match", b"*")], "condition"),
)  # fmt: skip


@pytest.mark.parametrize(("headers", "cause"), FIELDS)
def test_a_cause_is_there_only_where_the_request_has_the_part(headers: Headers, cause: str) -> None:
    assert CAUSES[cause](ForwardedRequest(Head(b"POST", b"/p", headers), b"{}"))  # type: ignore[index]
    assert not CAUSES[cause](ForwardedRequest(Head(b"POST", b"/p", JSON), b"{}"))  # type: ignore[index]


def test_causes_of_paths_and_bodies() -> None:
    head = Head(b"POST", b"/p", JSON)
    assert CAUSES["names"](ForwardedRequest(head, free_path=True))
    assert CAUSES["names"](ForwardedRequest(Head(b"HEAD", b"/p", [])))
    assert CAUSES["names"](ForwardedRequest(Head(b"GET", b"/p?x=1", [])))
    assert CAUSES["streamed"](ForwardedRequest(head, STREAM))
    assert not CAUSES["names"](ForwardedRequest(head))
    assert not CAUSES["body"](ForwardedRequest(head))


@pytest.mark.parametrize(
    ("name", "credentials"),
    [
        *((name, True) for name in (
            b"authorization", b"x-api-key", b"api-key", b"apikey", b"cookie", b"x-goog-api-key", b"ocp-apim-subscription-key",
            b"private-token", b"x-auth-token", b"x-amz-security-token", b"x-functions-key", b"x-jwt-assertion",
        )),
        *((name, False) for name in (
            b"content-type", b"accept", b"idempotency-key", b"user-agent", b"x-request-id", b"host", b"x-monkey",
            b"proxy-authorization", b"traceparent",
        )),
    ],
)  # fmt: skip
def test_which_fields_carry_credentials(name: bytes, credentials: bool) -> None:
    assert Head(b"GET", b"/", [(name, b"x")]).credentialed is credentials


def test_the_page_has_the_table() -> None:
    page = Path(PAGE).read_text(encoding="utf-8")
    assert page == written(page), "python -m tests.dialects.faults_page"
    assert all(str(status) in page for status in STATUSES)
