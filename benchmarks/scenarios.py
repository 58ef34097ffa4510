"""What a policy, a client and a model server say to each other, as bytes: the exchanges that `in_memory.py` repeats."""

from pathlib import Path

HERE = Path(__file__).resolve().parent
POLICY = (HERE / "policy.yaml").read_text()
BODY = (HERE / "body.json").read_bytes()
SAID = b'{"label":"approve","score":0.73}'
HEADERS = b"Host: 127.0.0.1:8900\r\nUser-Agent: model-client/1.0\r\nAccept: */*\r\nContent-Type: application/json\r\n"
ROWS = 20
PATIENT = "\n    breaker: {consecutive_failures: 1000000, minimum_calls: 1000000}\n"
BATCH = (
    POLICY.replace("POST /predict:", "POST /predict:\n    rows: /instances")
    .replace("output:\n      label: {", "output:\n      label: {at: /predictions/*/label, ")
    .replace(
        "score: {type: number, min: 0, max: 1, from", "score: {at: /predictions/*/score, type: number, min: 0, max: 1, from"
    )
)


def request(body: bytes) -> bytes:
    """As a client of a model server sends it."""
    return b"POST /predict HTTP/1.1\r\n%bContent-Length: %d\r\n\r\n%b" % (HEADERS, len(body), body)


def answer(body: bytes, status: bytes = b"200 OK") -> bytes:
    """As a model server behind nginx sends it."""
    head = (
        b"Server: nginx\r\nDate: Tue, 15 Nov 1994 08:12:31 GMT\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"
    )
    return b"HTTP/1.1 %b\r\n" % status + head % len(body) + b"Connection: keep-alive\r\n\r\n" + body


class Scenario:
    """A policy, a request, the model server's answer, and what the reply must hold. `told`: traces are exported."""

    def __init__(self, policy: str, sent: bytes, said: bytes, expected: bytes, *, told: bool = False) -> None:
        self.policy, self.sent, self.said, self.expected, self.told = policy, sent, said, expected, told


def listed(member: bytes, one: bytes, rows: int = ROWS) -> bytes:
    """A batch."""
    return b'{"%b": [%b]}' % (member, b",".join([one] * rows))


PASSTHROUGH = "version: guard/v1\nservice: bench\nupstream: http://127.0.0.1:8080\nroutes:\n  POST /predict: passthrough\n"
MODEL = b"x-guard-source: model"
SCENARIOS = {
    "forwarding": Scenario(PASSTHROUGH, request(BODY), answer(SAID), MODEL),
    "full": Scenario(POLICY, request(BODY), answer(SAID), MODEL),
    "traced": Scenario(POLICY, request(BODY), answer(SAID), MODEL, told=True),
    "batch": Scenario(
        BATCH, request(listed(b"instances", BODY)), answer(listed(b"predictions", SAID)), MODEL
    ),
    "denied": Scenario(POLICY, request(BODY.replace(b"42", b"17")), answer(SAID), b"HTTP/1.1 422"),
    "descent": Scenario(
        POLICY + PATIENT, request(BODY), answer(b"{}", b"502 Bad Gateway"), b"x-guard-source: rules"
    ),
}  # fmt: skip
