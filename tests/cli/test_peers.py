"""`--peers`: one command reaches every replica, and its table names the one that it did not reach."""

import json
import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from guard.cli.peers import addresses
from tests.sidecar import WITHIN, sidecar
from tests.test_lifecycle import ask
from tests.test_serve import Model
from tests.threaded import threaded

POLICY = """version: guard/v1
service: t
upstream: UPSTREAM
drain: 0s
admin: {tokens: {file: ../tokens}}
owners: {incidents: {team: sre, page: p, runbook: 'https://r'}}
routes:
  POST /predict:
    input: {age: {type: integer}}
    output: {label: {enum: [a, b]}}
    fallback: [{rules: [{answer: {label: a}}]}]
"""
NOBODY = "127.0.0.1:1"
"""A privileged port of this machine at which nobody listens."""


class Fleet:
    """Guards with one token file. `admin` and `data`: their listeners, separated by commas as commands take them."""

    def __init__(self, folder: Path, guards, secret: str) -> None:
        self.folder, self.guards, self.secret = folder, guards, secret
        self.admin = ",".join(guard.wait_for("admin")["listen"] for guard in guards)
        self.data = ",".join(f"http://127.0.0.1:{guard.port}" for guard in guards)

    def run(self, *arguments: str, code: int = 0) -> str:
        environ = {**os.environ, "GUARD_TOKEN": self.secret}
        command = [sys.executable, "-m", "guard", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, env=environ, cwd=self.folder, timeout=WITHIN)
        assert done.returncode == code, (done.stdout, done.stderr)
        return done.stdout + done.stderr

    def sources(self) -> list[str]:
        return [ask(guard.connect(), 1)[1] for guard in self.guards]


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fleet")
    made = subprocess.run([sys.executable, "-m", "guard", "token", "otto"], capture_output=True, text=True, check=True)
    (folder / "tokens").write_text(made.stdout)
    with ExitStack() as stack:
        model = Model()
        model.answer = (200, b'{"label":"b"}')
        stack.enter_context(threaded(model))
        guards = []
        for name in ("one", "two"):
            (folder / name).mkdir()
            text = POLICY.replace("UPSTREAM", f"http://127.0.0.1:{model.server_address[1]}")
            (folder / name / "policy.yaml").write_text(text)
            guards.append(stack.enter_context(sidecar("policy.yaml", folder=folder / name)))
        yield Fleet(folder, guards, made.stderr.split()[-1])


def test_kill_and_restore_reach_every_replica(fleet):
    assert "applied 2/2 in " in fleet.run("kill", "--reason", "harm", "--peers", fleet.admin)
    assert fleet.sources() == ["rules", "rules"]
    shown = fleet.run("status", "--peers", fleet.admin)
    assert shown.count("mode: rules by otto: harm") == 2
    assert "2 of 2 answered; 2 lowered by an order" in shown
    assert "applied 2/2 in " in fleet.run("restore", "--reason", "healed", "--peers", fleet.admin)
    assert fleet.sources() == ["model", "model"]


def test_a_replica_that_is_away_has_its_line_and_the_others_are_done(fleet):
    shown = fleet.run("kill", "--reason", "harm", "--peers", f"{fleet.admin},{NOBODY}", code=1)
    assert "http://127.0.0.1:1                       FAILED unreachable" in shown
    assert "applied 2/3 in " in shown
    assert "2 of 3 answered" in fleet.run("status", "--peers", f"{fleet.admin},{NOBODY}", code=1)
    assert "applied 2/3 in " in fleet.run("restore", "--reason", "healed", "--peers", f"{fleet.admin},{NOBODY}", code=1)
    assert fleet.sources() == ["model", "model"]


def test_a_contract_is_observed_and_enforced_again_everywhere(fleet):
    order = ("observe", "--route", "POST /predict", "--reason", "the contract is wrong", "--peers", fleet.admin)
    assert "applied 2/2 in " in fleet.run(*order, "--ttl", "1h")
    assert fleet.run("status", "--peers", fleet.admin).count("POST /predict NOT ENFORCED") == 2
    assert "applied 2/2 in " in fleet.run(*order, "--end")
    assert "NOT ENFORCED" not in fleet.run("status", "--peers", fleet.admin)
    assert [ask(guard.connect(), "x")[0] for guard in fleet.guards] == [422, 422]


@pytest.mark.parametrize("given", [(), ("--ttl", "1h", "--end")])
def test_an_observation_has_either_a_time_or_an_end(fleet, given):
    shown = fleet.run("observe", "--route", "POST /predict", "--reason", "r", *given, code=2)
    assert "give either --ttl TIME, to observe for a time, or --end, to enforce again now" in shown


def test_status_never_says_that_nothing_is_lowered_beside_not_enforced(fleet):
    admin = fleet.admin.split(",")[0]
    fleet.run("observe", "--route", "POST /predict", "--ttl", "1h", "--reason", "r", "--admin", admin)
    shown = fleet.run("status", "--admin", admin)
    assert "NOT ENFORCED" in shown
    assert "nothing is lowered" not in shown
    assert "go back:     guard observe --end --route 'POST /predict'" in shown
    fleet.run("observe", "--route", "POST /predict", "--end", "--reason", "r", "--admin", admin)
    assert "nothing is lowered" in fleet.run("status", "--admin", admin)


def test_the_audit_of_all_replicas_is_one_list_with_the_newest_first(fleet):
    fleet.run("kill", "--reason", "for the audit", "--peers", fleet.admin)
    fleet.run("restore", "--reason", "healed", "--peers", fleet.admin)
    entries = [
        json.loads(line) for line in fleet.run("audit", "--peers", fleet.admin, "--json", "--limit", "4").splitlines()
    ]
    assert [entry["why"] for entry in entries] == ["healed", "healed", "for the audit", "for the audit"]
    assert {entry["peer"] for entry in entries} == {f"http://{admin}" for admin in fleet.admin.split(",")}


def test_replicas_are_drilled_one_after_the_other(fleet):
    shown = fleet.run("drill", "one/policy.yaml", "--peers", fleet.admin, "--data", fleet.data)
    assert "drilled 2/2 replicas without a fault" in shown
    assert shown.count("every rung answers as promised") == 2
    assert fleet.sources() == ["model", "model"]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ("http://127.0.0.1:1,http://127.0.0.1:1,http://127.0.0.1:1", "--data names 3 listeners for 2 peers"),
        ("http://127.0.0.1:1", "--data is the same listener for every peer"),
    ],
)
def test_a_drill_of_replicas_needs_the_listener_of_each(fleet, data, why):
    assert why in fleet.run("drill", "one/policy.yaml", "--peers", fleet.admin, "--data", data, code=2)


def test_a_drill_orders_nothing_where_no_client_could_see_it(fleet):
    admin = fleet.admin.split(",")[0]
    before = fleet.run("audit", "--admin", admin, "--json")
    shown = fleet.run("drill", "one/policy.yaml", "--admin", admin, "--data", "http://127.0.0.1:1", code=1)
    assert "no drill: nothing answers at http://127.0.0.1:1" in shown
    assert fleet.run("audit", "--admin", admin, "--json") == before


def test_replicas_behind_a_name_are_asked_each():
    found = [
        (None, None, None, "", ("10.0.0.2", 1)),
        (None, None, None, "", ("10.0.0.1", 1)),
        (None, None, None, "", ("fd00::1", 1)),
    ]
    assert addresses("dns:guard:8901", lambda *_, **__: found) == [
        ("https://10.0.0.1:8901", "guard"), ("https://10.0.0.2:8901", "guard"), ("https://[fd00::1]:8901", "guard"),
    ]  # fmt: skip
