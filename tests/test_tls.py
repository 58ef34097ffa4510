"""TLS on both sides: who is believed, and certificates that change under a running guard."""

import http.client
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from tests.sidecar import WITHIN, Sidecar, sidecar
from tests.test_serve import Model
from tests.threaded import threaded

POLICY = """version: guard/v1
service: t
upstream:
  url: https://localhost:PORT
  tls: {TLS}
LISTEN
drain: 0s
routes:
  POST /predict:
    input: {age: {type: integer}}
    output: {label: {enum: [a, b]}}
    fallback: {label: a}
"""


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def write(authority: trustme.CA, folder: Path, name: str, *identities: str) -> trustme.LeafCert:
    leaf = authority.issue_cert(*identities)
    leaf.private_key_pem.write_to_path(str(folder / f"{name}.key"))
    leaf.cert_chain_pems[0].write_to_path(str(folder / f"{name}.pem"))
    return leaf


@pytest.fixture
def model(authority: trustme.CA) -> Iterator[Model]:
    """A model server that speaks TLS, asks for a client certificate, and notes who came and what name was asked for."""
    server = Model()
    server.answer = (200, b'{"label":"b"}')
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "model.internal").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_OPTIONAL
    server.names = []  # type: ignore[attr-defined]
    context.sni_callback = lambda _, name, __: server.names.append(name)  # type: ignore[attr-defined]
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None  # type: ignore[method-assign,assignment]
    with threaded(server):
        yield server


def policy(folder: Path, model: Model, tls: str, listen: str = "") -> str:
    path = folder / "policy.yaml"
    text = POLICY.replace("PORT", str(model.server_address[1])).replace("TLS", tls).replace("LISTEN", listen)
    path.write_text(text)
    return str(path)


def ask(client: http.client.HTTPConnection) -> tuple[int, str | None, str | None]:
    client.request("POST", "/predict", b'{"age":1}', {"Content-Type": "application/json"})
    answer = client.getresponse()
    answer.read()
    return answer.status, answer.getheader("x-guard-source"), answer.getheader("x-guard-reason")


def test_a_model_server_is_verified_and_named(authority: trustme.CA, model: Model, tmp_path: Path) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    write(authority, tmp_path, "client", "guard")
    with sidecar(policy(tmp_path, model, "ca: ca.pem"), folder=tmp_path) as guard:
        assert ask(guard.connect()) == (200, "model", None)
        assert model.names[-1] == "localhost"  # type: ignore[attr-defined]
    tls = "ca: ca.pem, cert: client.pem, key: client.key, server_name: model.internal"
    with sidecar(policy(tmp_path, model, tls), folder=tmp_path) as guard:
        assert ask(guard.connect()) == (200, "model", None)
        assert model.names[-1] == "model.internal"  # type: ignore[attr-defined]


@pytest.mark.parametrize("tls", ["", "ca: other.pem", "ca: ca.pem, server_name: someone.else"])
def test_a_model_server_that_cannot_prove_itself_is_not_asked(
    authority: trustme.CA, model: Model, tmp_path: Path, tls: str
) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "other.pem"))
    with sidecar(policy(tmp_path, model, tls), folder=tmp_path) as guard:
        assert ask(guard.connect()) == (200, "rules", "tls")
        assert not model.received


def test_a_certificate_that_is_not_there_is_an_error_of_the_policy(model: Model, tmp_path: Path) -> None:
    guard = Sidecar([policy(tmp_path, model, "ca: nowhere.pem")], tmp_path)
    assert guard.ended() == 1
    assert "upstream.tls" in guard.lines[0]


def over_tls(guard: Sidecar, authority: trustme.CA) -> http.client.HTTPSConnection:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return http.client.HTTPSConnection("localhost", guard.port, timeout=WITHIN, context=context)


def serial(client: http.client.HTTPSConnection) -> str:
    client.connect()
    certificate = client.sock.getpeercert()
    assert isinstance(certificate, dict)
    return str(certificate["serialNumber"])


def test_clients_over_tls_and_a_certificate_that_is_renewed(authority: trustme.CA, model: Model, tmp_path: Path) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    write(authority, tmp_path, "front", "localhost")
    listen = "listen: {tls: {cert: front.pem, key: front.key}}"
    with sidecar(policy(tmp_path, model, "ca: ca.pem", listen), folder=tmp_path) as guard:
        old = over_tls(guard, authority)
        first = serial(old)
        assert ask(old) == (200, "model", None)
        forwarded = {name.lower(): value for name, value in model.received[-1][1].items()}
        assert forwarded["x-forwarded-proto"] == "https"
        (tmp_path / "front.pem").write_text("half a certificate")
        guard.wait_for("certificate_refused")
        new = over_tls(guard, authority)
        assert serial(new) == first, "the old one stands"
        new.close()
        write(authority, tmp_path, "front", "localhost")
        guard.wait_for("policy", 2)
        new = over_tls(guard, authority)
        assert serial(new) != first
        assert ask(new) == (200, "model", None)
        assert ask(old) == (200, "model", None), "connections stay"
        new.close()
        old.close()
        plain = guard.connect()
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            ask(plain)
        assert not guard.events("loop_error") or guard.events("loop_error")[0]["error"]
