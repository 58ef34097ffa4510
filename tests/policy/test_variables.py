"""Variables in the URLs of model servers."""

from pathlib import Path

import pytest

from guard.policy.errors import PolicyInvalid
from guard.policy.loading import load

ENVIRON = {"HOST": "model.example", "PORT": "8081", "URL": "http://[::1]:9", "EMPTY": "", "SOCKET": "/run/m.sock"}
POLICY = "version: guard/v1\nservice: s\nupstream: {}\nroutes:\n  POST /p:\n    input: {{n: {{type: integer}}}}\n    fallback:\n      - previous: {}\n"


def written(folder: Path, upstream: str, previous: str = "http://b:1") -> Path:
    path = folder / "guard.yaml"
    path.write_text(POLICY.format(upstream, previous))
    return path


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://{env:HOST}:8000", "http://model.example:8000"), ("http://{env:HOST}:{env:PORT}", "http://model.example:8081"),
        ("'{env:URL}'", "http://[::1]:9"), ("{url: {env: URL}}", "http://[::1]:9"), ("{env: URL}", "http://[::1]:9"),
        ("{url: 'https://{env:HOST}', tls: {ca: ca.pem}}", "https://model.example:443"), ("unix://{env:SOCKET}", "unix:///run/m.sock"),
        ("http://a:1", "http://a:1"),
    ],
)  # fmt: skip
def test_a_url_is_filled(tmp_path: Path, url: str, expected: str) -> None:
    policy = load(written(tmp_path, url, url), environ=ENVIRON).policy
    assert str(policy.upstream.url) == expected
    assert str(policy.routes["POST /p"].fallback.previous.url) == expected  # type: ignore[union-attr]


@pytest.mark.parametrize("url", ["http://{env:NONE}:1", "http://{env:EMPTY}:1", "{url: {env: NONE}}", "{env: NONE}"])
def test_an_unset_variable_is_an_error_at_its_place(tmp_path: Path, url: str) -> None:
    with pytest.raises(PolicyInvalid, match=r"guard\.yaml:3:.*upstream.*the variable (NONE|EMPTY) is not set"):
        load(written(tmp_path, url), environ=ENVIRON)


@pytest.mark.parametrize(
    "url", ["http://{HOST}:1", "http://{env:}:1", "http://{env:A-B}:1", "{env: [A]}", "http://${HOST}:1"]
)
def test_nothing_else_is_a_variable(tmp_path: Path, url: str) -> None:
    with pytest.raises(PolicyInvalid):
        load(written(tmp_path, url), environ={**ENVIRON, "A-B": "x"})


def test_no_other_value_is_filled(tmp_path: Path) -> None:
    path = written(tmp_path, "http://a:1")
    path.write_text(path.read_text().replace("service: s", "service: s\nkill_file: /{env:HOST}"))
    assert str(load(path, environ=ENVIRON).policy.kill_file) == "/{env:HOST}"
