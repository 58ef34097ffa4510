"""A team with the demo's model: its repository, its CI, its servers; and somebody who follows fixes to the letter."""

import csv
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import yaml

from guard.cli.operate import Where, ask, find_endpoint
from guard.kit import evidence
from guard.kit.checklist import gather
from guard.kit.checklist.registry import sections
from guard.kit.checklist.values import Item, Section
from guard.kit.release.options import KINDS
from guard.policy.loading import load
from tests.cli.test_cli import ROOT
from tests.sidecar import WITHIN, Sidecar, free_port, sidecar

CI = ".github/workflows/launch.yml"
PARTS = {"weights": "model.joblib", "preprocessing": "model.joblib", "postprocessing": "in_code", "thresholds": "in_code"}
"""What the demo's model is made of; the other kinds are none. Its scaler is in the same file as its weights."""


def evaluated(folder: Path) -> dict[str, float]:
    """Train as the demo does, on two thirds; save the pipeline; measure it on the rest."""
    import joblib
    from sklearn.datasets import load_breast_cancer
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import brier_score_loss, roc_auc_score
    from sklearn.model_selection import train_test_split
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    data = load_breast_cancer()
    inside, outside, known, asked = train_test_split(
        data.data, data.target == 0, test_size=1 / 3, random_state=7, stratify=data.target
    )
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(inside, known)
    joblib.dump(model, folder / "model.joblib")
    scores = model.predict_proba(outside)[:, 1]
    by_name = {
        "auc": round(float(roc_auc_score(asked, scores)), 4),
        "brier": round(float(brier_score_loss(asked, scores)), 4),
    }
    (folder / "evaluation.json").write_text(json.dumps({"metrics": by_name}))
    row = {"patient_id": "AB-123456", **dict(zip(map(str, data.feature_names), map(float, data.data[0]), strict=True))}
    (folder / "request.json").write_text(json.dumps(row))
    with (folder / "validation.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(row)
        rows.writerows(["AB-123456", *map(float, line)] for line in outside)
    return by_name


class Stage:
    """Everything is in `folder`. `options` are those of the model's `guard release`."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.path = folder, folder / "policy.yaml"
        self.operated = True  # whether there is a token for the guard that runs
        self.metrics = evaluated(folder)
        (folder / "demo.lock").write_bytes((ROOT / "requirements" / "demo.lock").read_bytes())
        self.policy: dict[str, Any] = yaml.safe_load((ROOT / "policies" / "tumour-triage.yaml").read_text())
        self.options: list[tuple[str, str]] = []
        self.guard: Sidecar
        self.model = 0  # the port of the model
        self.live: str | None = None
        self.extra: dict[str, Any] = {}
        self.write()
        self.git("init", "-q")
        self.commit()

    # ── what the team has ─────────────────────────────────────────────────────────────────────────────────────────

    def write(self) -> None:
        text = yaml.safe_dump(self.policy, allow_unicode=True, sort_keys=False)
        if not self.path.exists() or self.path.read_text() != text:
            beside = self.folder / ".policy.new"
            beside.write_text(text)
            beside.replace(self.path)

    def git(self, *arguments: str) -> str:
        command = ["git", "-C", str(self.folder), "-c", "user.name=n", "-c", "user.email=e@e", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    def commit(self) -> None:
        self.git("add", "--", *(name for name in os.listdir(self.folder) if name.endswith((".yaml", ".json", ".lock"))))
        self.git("commit", "-q", "--allow-empty", "-m", "state")

    def run(self, *arguments: str, check: bool = True, **more: str) -> "subprocess.CompletedProcess[str]":
        environ = {
            **os.environ,
            **more,
            "GUARD_STATE_DIR": str(self.folder / "state"),
            "GIT_CEILING_DIRECTORIES": str(self.folder.parent),
        }
        command = [sys.executable, "-m", "guard", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=self.folder, env=environ)
        assert not check or done.returncode == 0, (arguments, done.stdout, done.stderr)
        return done

    def release(self, *more: str) -> None:
        results = [word for option, value in self.options for word in (f"--{option}", value)]
        self.run("release", "--policy", "policy.yaml", *results, *more)

    def send(self, **changed: Any) -> int:
        """A request to the guard that runs; its status."""
        self.deployed()
        body = {**json.loads((self.folder / "request.json").read_text()), **self.extra, **changed}
        url = f"http://127.0.0.1:{self.guard.port}/predict"
        request = Request(url, json.dumps(body).encode(), {"content-type": "application/json"})
        try:
            with urlopen(request, timeout=WITHIN) as answer:
                status: int = answer.status
                return status
        except OSError as error:
            return int(getattr(error, "code", 0))

    def deployed(self) -> None:
        """The guard runs what is on the disk, and has nothing older left to read: its own watch may be under way."""
        if not self.operated:
            return
        answer = ask(find_endpoint(self.where()), "POST", "/policy/reload")
        assert answer.status == 200, answer
        assert answer.body["digest"] == load(self.path, environ={}).digest, answer

    def where(self) -> Where:
        return Where(None, self.folder / "state", None, {})

    def rehearse(self, upstream: int) -> "subprocess.CompletedProcess[str]":
        """The real one, short, with the team's own example, against the model."""
        examples = self.folder / "tests" / "requests"
        examples.mkdir(parents=True, exist_ok=True)
        (examples / "malignant.json").write_bytes((self.folder / "request.json").read_bytes())
        result = self.run("token", "ci", "--role", "operator")  # the policy names its tokens: a guard makes none of its own
        with (self.folder / "tokens").open("a") as file:
            file.write(result.stdout)
        secret = result.stderr.split()[-1]
        arguments = ("rehearse", "policy.yaml", "--quick", "--upstream", f"http://127.0.0.1:{upstream}")
        return self.run(*arguments, check=False, GUARD_TOKEN=secret)

    def rehearsed(self, *, passed: bool = True, **measured: float) -> None:
        """The evidence that a rehearsal leaves, as docs/evidence.schema.json has it."""
        by_name = {"requests": 500, "latency_p95": 0.02, "error_rate": 0.0, "rate": 90.0, **measured}
        loaded = load(self.path, environ={})
        evidence.keep(
            self.path, evidence.document(loaded, "rehearse", {"measured": by_name}, passed=passed, at=datetime.now(UTC))
        )

    # ── the checklist ─────────────────────────────────────────────────────────────────────────────────────────────

    def checked(self) -> tuple[Section, ...]:
        """In this process; the command itself is held against it in the tests."""
        here = os.getcwd()
        os.chdir(self.folder)
        try:
            path = Path("policy.yaml")
            seen = gather.read_live(self.live, self.where(), ask_status=self.operated) if self.live else None
            return sections(gather.facts(path, load(path, environ={}), (), seen, datetime.now(UTC)))
        finally:
            os.chdir(here)

    def items(self) -> dict[str, Item]:
        return {item.id: item for section in self.checked() for item in section.items}

    # ── following a fix ───────────────────────────────────────────────────────────────────────────────────────────

    def heal(self, name: str, most: int = 6) -> list[str]:
        """Follow the fix of an item until it is green; the fixes that it took."""
        results = []
        for _ in range(most):
            item = self.items().get(name)
            if item is None or item.status == "pass":
                return results
            results.append(item.fix)
            self.follow(item)
        raise AssertionError((name, results))

    def follow(self, item: Item) -> None:
        """Do what stands there. Words in capitals get what this team would write; `or` leaves the choice, the first is taken."""
        fix = item.fix
        for word, said in answers(self, item).items():
            fix = fix.replace(word, said)
        if "that runs `" in fix:
            command = re.search(r"that runs `([^`]+)`", fix)
            assert command
            path = self.folder / CI
            path.parent.mkdir(parents=True, exist_ok=True)
            text = path.read_text() if path.exists() else "jobs:\n  launch:\n    steps:\n"
            path.write_text(text + f"      - run: {command[1]}\n")
            return
        if fix.startswith("commit what was changed"):
            self.commit()
        if fix.startswith("send a request that breaks"):
            assert self.send(**{"mean radius": -1}) == 422
            return
        if fix.startswith("send a request"):
            assert self.send() == 200
            return
        if fix.startswith("deploy this policy"):
            self.deployed()
            return
        if "with `--" in fix:
            match = re.search(r"with `(--[^`]+)`", fix)
            assert match
            words = shlex.split(match[1])
            for option, value in zip(words[::2], words[1::2], strict=True):
                if option not in ("--part", "--config", "--metric"):
                    self.options = [item for item in self.options if item[0] != option[2:]]
                self.options.append((option[2:], value))
            self.release()
            return
        for literal in re.findall(r"`([^`]+)`", fix.partition(", or")[0]):
            self._literal(literal)
        if "likewise the others" in fix:
            for entry in self.policy["routes"]["POST /predict"]["input"].values():
                entry.setdefault("description", "as the pathologist measures it")
            self.write()

    def _literal(self, literal: str) -> None:
        words = shlex.split(literal)
        if words[:2] == ["guard", "rehearse"]:
            self.rehearsed()
        elif words[:2] == ["guard", "checklist"]:
            self.live = words[-1]
        elif words[:2] == ["guard", "token"]:
            result = self.run(*words[1:-2])
            with (self.folder / words[-1]).open("a") as file:
                file.write(result.stdout)
        elif words[:2] == ["guard", "release"] and "…" in words:
            self.release()
        elif words[:2] == ["guard", "release"] and "--version" in words:
            self.options.append(("version", words[words.index("--version") + 1]))
            self.release()
        elif words[0] == "guard":
            if words[1] == "drill":
                self.deployed()
            self.run(*words[1:], check=words[1] != "drill")
        elif literal.startswith("--") or ":" not in literal:
            raise AssertionError(f"nobody knows how to follow {literal!r}")
        else:
            merge(self.policy, yaml.safe_load(literal))
            self.write()


def merge(into: dict[str, Any], more: dict[str, Any]) -> None:
    for key, value in more.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            merge(into[key], value)
        else:
            into[key] = value


def answers(stage: Stage, item: Item) -> dict[str, str]:
    """What this team writes in place of the words in capitals."""
    own: dict[str, dict[str, str]] = {
        "release.record": {"VERSION": "1.4.0"}, "release.model": {"NAME": "tumour-triage"}, "release.lockfile": {"FILE": "demo.lock"},
        "monitoring.model_version": {"VERSION": "1.4.0"},
        "release.configuration": {"KEY=VALUE": "threshold=0.5"}, "release.approval": {"WHO": "board"},
        "release.evaluation": {"FILE": "evaluation.json", "--dataset NAME": "--dataset wdbc", "DATE": "2025-06-01",
                               "NAME=NUMBER": f"auc={stage.metrics['auc']}"},
        "contract.units": {"UNIT": "µm"}, "contract.descriptions": {"TEXT": "as the pathologist measures it"},
        "contract.outputs": {"TEXT": "what to do"}, "contract.calibration": {"NUMBER": "0.04", "FILE": "evaluation.json"},
        "targets.latency": {"300ms": "1s"}, "targets.volume": {"50/s": "20/s"}, "targets.errors": {"1%": "5%"},
        "targets.availability": {"99.5%": "95%"},
        "targets.quality": {"METRIC": "auc", "auc=NUMBER": f"auc={stage.metrics['auc']}", "NUMBER": "0.95"},
        "next.pipeline": {"URL": "https://ci.example/7"}, "next.previous": {"--previous RECORD": "--previous none"},
        "failure.rollback": {"--previous RECORD": "--previous none"}, "data.inspection": {"NAME": "ana"},
        "failure.drilled": {"URL": f"http://127.0.0.1:{stage.guard.port}", "FILE": "request.json"},
        "failure.covered": {"--data URL": f"--data http://127.0.0.1:{stage.guard.port} --request 'POST /predict=request.json'"},
        "monitoring.reference": {"VALIDATION_SET": f"--target http://127.0.0.1:{stage.model} validation.csv"},
        "targets.cost": {"AMOUNT CURRENCY": "2000 EUR", "20 EUR": "2000 EUR"},
    }  # fmt: skip
    if item.id == "release.commit":
        return {"HASH": stage.git("rev-parse", "HEAD")}
    if item.id == "release.parts":
        return {f"{kind}=PATH": f"{kind}={PARTS.get(kind, 'none')}" for kind in KINDS}
    common = {
        "http://HOST:8902": f"http://127.0.0.1:{stage.guard.ops}", "`guard drill policy.yaml --data URL`":
        f"`guard drill policy.yaml --data http://127.0.0.1:{stage.guard.port} --request 'POST /predict=request.json'`",
        "TEAM": "oncology-ml", "--reason '…'": "--reason 'it is over'",
    }  # fmt: skip
    if item.id == "failure.rung":
        common["VALUE"] = "review"
    if item.id.startswith("failure.") and item.id not in own:
        common["URL"] = "https://oncall.example/triage"
    return own.get(item.id, {}) | (common if item.id not in ("failure.drilled", "failure.covered") else {})


@contextmanager
def serving(folder: Path, upstream: int) -> Iterator[Sidecar]:
    with sidecar("policy.yaml", "--upstream", f"http://127.0.0.1:{upstream}", folder=folder) as guard:
        guard.wait_for("ready")
        guard.wait_for("admin")
        yield guard


@contextmanager
def demo_model(folder: Path) -> Iterator[int]:
    """The demo's model server, as its own process."""
    port = free_port()
    with (folder / "model.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "guard.kit.demo_model", "--port", str(port)], stdout=log, stderr=log
        )
    try:
        yield port
    finally:
        process.kill()
        process.wait()
