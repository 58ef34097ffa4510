"""Labels of a real guard: receipts of its answers come back, count once, and not at all where they may not."""

import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from guard.control.tokens import line
from tests.sidecar import Sidecar, sidecar
from tests.test_operators import Api, model  # noqa: F401 — a fixture
from tests.test_serve import Model

POLICY = """version: guard/v1
service: t
drain: 0s
upstream: UPSTREAM
labels: {key: {file: key}, maturity: 1s, expire: 1h, segments: [channel]}
targets: {quality: {accuracy: 0.9}}
routes:
  POST /predict:
    input: {channel: {enum: [web, app]}}
    output: {label: {enum: [a, b]}, score: {type: number, min: 0, max: 1, from: model}}
    fallback: {label: a}
  POST /bare:
    output: {other: {type: string}}
"""


def write(folder: Path, server: Model, extra: str = "") -> None:
    text = POLICY.replace("UPSTREAM", f"http://127.0.0.1:{server.server_address[1]}")
    (folder / "policy.yaml").write_text(text + extra)
    (folder / "key").write_text("0123456789abcdef\n")
    (folder / "key").chmod(0o600)
    server.answer = (200, b'{"label":"b","score":0.8,"other":"x"}')


@pytest.fixture
def guard(model: Model, tmp_path: Path) -> Iterator[Sidecar]:  # noqa: F811
    write(tmp_path, model)
    with sidecar("policy.yaml", folder=tmp_path) as running:
        yield running


def ask(guard: Sidecar, path: str = "/predict") -> str | None:
    client = guard.connect()
    client.request("POST", path, b'{"channel":"web"}', {"content-type": "application/json"})
    answer = client.getresponse()
    assert answer.status == 200, answer.read()
    answer.read()
    client.close()
    return answer.headers.get("x-guard-receipt")


def receipts(guard: Sidecar, count: int) -> list[dict[str, Any]]:
    return [{"receipt": ask(guard), "label": "b"} for _ in range(count)]


def test_a_label_counts_once_and_a_correction_replaces_it(guard: Sidecar, tmp_path: Path) -> None:
    api, labels = Api(guard, tmp_path), receipts(guard, 3)
    forged = {**labels[0], "receipt": labels[0]["receipt"][:-4] + "AAAA"}
    sent = [*labels, labels[0], {**labels[1], "label": "a"}, forged, {**labels[2], "label": "z"}, {**labels[2], "row": 1}]
    status, _, body = api("POST", "/labels", {"labels": sent})
    assert (status, body["results"]) == (
        200,
        ["accepted"] * 3 + ["duplicate", "corrected", "bad_mac", "bad_label", "bad_label"],
    )
    for _ in range(2):
        assert api("POST", "/labels", {"labels": labels})[2]["counts"] in (
            {"duplicate": 2, "corrected": 1},
            {"duplicate": 3},
        )
    _, _, quality = api("GET", "/quality")
    (version,) = quality["versions"]
    assert (version["issued"], version["labelled"], version["corrected"]) == (3, 3, 2)
    assert ask(guard, "/bare") is None
    _, page = guard.probe("/metrics")
    accepted = next(
        each for each in page.splitlines() if "guard_labels_total{" in each and 'guard_outcome="accepted"' in each
    )
    assert float(accepted.split()[1]) == 3
    assert 'http_route="/predict"' in accepted
    assert 'guard_label_source="local"' in accepted
    assert "guard_label_delay_seconds_count" in page
    assert all(label["receipt"] not in page for label in labels)
    printed = "".join(guard.lines)
    assert all(label["receipt"] not in printed for label in labels)


def test_a_token_for_labels_does_nothing_else_and_operators_send_none(model: Model, tmp_path: Path) -> None:  # noqa: F811
    write(tmp_path, model, "admin: {tokens: {file: tokens}}\n")
    (tmp_path / "tokens").write_text("\n".join(line(name, name, name) for name in ("labels", "operator", "viewer")))  # type: ignore[arg-type]
    with sidecar("policy.yaml", folder=tmp_path) as guard:
        batch = {"labels": receipts(guard, 1)}
        answers = {}
        for name in ("labels", "operator", "viewer"):
            api = Api.__new__(Api)
            api.host, api.token = guard.wait_for("admin")["listen"], name
            answers[name] = [api("POST", "/labels", batch)[0], api("GET", "/quality")[0], api("GET", "/status")[0]]
    assert answers == {"labels": [200, 403, 403], "operator": [403, 200, 200], "viewer": [403, 200, 200]}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"labels": []},
        {"labels": [1]},
        {"labels": [{"receipt": "x"}]},
        {"labels": [{"receipt": "x", "label": "a", "more": 1}]},
        {"labels": [{"receipt": "x", "label": "a", "row": -1}]},
        {"labels": [{"receipt": "x", "label": "a"}] * 501},
    ],
)
def test_what_is_no_batch_is_refused_whole(guard: Sidecar, tmp_path: Path, body: Any) -> None:
    assert Api(guard, tmp_path)("POST", "/labels", body)[0] == 422


def test_kill_9_in_an_upload_loses_no_bit_and_counts_nothing_twice(model: Model, tmp_path: Path) -> None:  # noqa: F811
    write(tmp_path, model)
    accepted = 0
    with sidecar("policy.yaml", folder=tmp_path) as guard:
        api, labels = Api(guard, tmp_path), receipts(guard, 60)
        for at in range(0, 30, 10):
            accepted += api("POST", "/labels", {"labels": labels[at : at + 10]})[2]["counts"]["accepted"]
        rest = threading.Thread(target=_send_quietly, args=(api, labels[30:]))
        rest.start()
        os.kill(guard.process.pid, signal.SIGKILL)
        guard.ended()
        rest.join()
    assert accepted == 30
    with sidecar("policy.yaml", folder=tmp_path) as guard:
        api = Api(guard, tmp_path)
        counts: dict[str, int] = {}
        for at in range(0, 60, 10):
            results = api("POST", "/labels", {"labels": labels[at : at + 10]})[2]["results"]
            assert at >= 30 or results == ["duplicate"] * 10
            for result in results:
                counts[result] = counts.get(result, 0) + 1
        assert set(counts) <= {"duplicate", "accepted"}
        again = [api("POST", "/labels", {"labels": labels[at : at + 10]})[2]["counts"] for at in range(0, 60, 10)]
        assert again == [{"duplicate": 10}] * 6


def _send_quietly(api: Api, labels: list[dict[str, Any]]) -> None:
    try:
        api("POST", "/labels", {"labels": labels})
    except OSError:
        return
    except Exception:  # the guard was killed under it: no whole answer
        return


def test_a_damaged_file_is_named_and_nothing_is_counted(guard: Sidecar, tmp_path: Path) -> None:
    api, labels = Api(guard, tmp_path), receipts(guard, 2)
    assert api("POST", "/labels", {"labels": labels[:1]})[2]["results"] == ["accepted"]
    (file,) = (tmp_path / "state" / "private").glob("labels-seen-*")
    os.truncate(file, 100)
    status, _, body = api("POST", "/labels", {"labels": labels})
    assert (status, body["code"]) == (503, "labels_damaged")
    assert file.name in body["detail"]
    assert guard.wait_for("labels_damaged")["file"] == file.name
    _, _, quality = api("GET", "/quality")
    assert quality["versions"][0]["labelled"] == 1
    assert file.name in quality["state"]


def test_an_output_above_internal_is_refused_by_name(tmp_path: Path) -> None:
    from click.testing import CliRunner

    from guard.cli import cli

    text = POLICY.replace("UPSTREAM", "http://127.0.0.1:1").replace("enum: [a, b]", "enum: [a, b], sensitivity: health")
    (tmp_path / "policy.yaml").write_text(text.replace("{key: {file: key}", "{key: {env: K}, output: label"))
    result = CliRunner().invoke(cli, ["check", str(tmp_path / "policy.yaml")], standalone_mode=False)
    assert 'the output "label" is health: no receipt may hold it' in str(result.exception)


def test_answers_of_lower_rungs_have_no_receipt(guard: Sidecar, model: Model) -> None:  # noqa: F811
    model.answer = (500, b"{}")
    assert ask(guard) is None


def test_figures_survive_a_restart(model: Model, tmp_path: Path) -> None:  # noqa: F811
    write(tmp_path, model)
    with sidecar("policy.yaml", folder=tmp_path) as guard:
        api, labels = Api(guard, tmp_path), receipts(guard, 5)
        api("POST", "/labels", {"labels": labels})
        guard.process.terminate()
        assert guard.ended() == 0
    with sidecar("policy.yaml", folder=tmp_path) as guard:
        api = Api(guard, tmp_path)
        assert api("POST", "/labels", {"labels": labels})[2]["counts"] == {"duplicate": 5}
        assert api("GET", "/quality")[2]["versions"][0]["labelled"] == 5
    saved = json.loads((tmp_path / "state" / "private" / "labels.json").read_text())
    assert saved["format"] == 1
