"""Dialects, detectors, webhook formats and rungs each have one registry; nothing else in guard names their members."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from guard.dialects import DIALECTS
from guard.privacy.detectors import DETECTORS
from guard.proxy.values import SOURCES
from guard.webhooks import FORMATS

ROOT = Path(__file__).resolve().parents[2]
MEMBERS = {
    **dict.fromkeys(DIALECTS, "dialect"),
    **dict.fromkeys(DETECTORS, "detector"),
    **dict.fromkeys(FORMATS, "webhook format"),
    **dict.fromkeys(SOURCES, "rung"),
}
OWN = {
    "guard/proxy/values/words.py": set(SOURCES),
    "guard/ladder/cached.py": {"cached"},
    "guard/ladder/rules.py": {"rules"},
    "guard/ladder/disabled.py": {"disabled"},
    **{
        str(Path(sys.modules[type(dialect).__module__].__file__).relative_to(ROOT)): {name}
        for name, dialect in DIALECTS.items()
    },
    **{f"guard/privacy/detectors/{name}.py": {name} for name in DETECTORS},
    **{
        str(Path(sys.modules[type(value).__module__].__file__).relative_to(ROOT)): {name} for name, value in FORMATS.items()
    },
}
"""The registries of names, and each member's own file."""
OTHER_MEANINGS = {
    ("guard/cli/__init__.py", "json"): "a form of output",
    ("guard/cli/__init__.py", "alertmanager"): "what `guard export` writes",
    ("guard/cli/export.py", "alertmanager"): "what `guard export` writes",
    ("guard/cli/launch.py", "json"): "a form of output",
    ("guard/cli/operate.py", "token"): "a member of admin.json",
    ("guard/cli/operate.py", "model"): "a member of the status",
    ("guard/contract/fields.py", "model"): "`from: model` of an output",
    ("guard/contract/schema_drafts.py", "email"): "a format of JSON Schema",
    ("guard/control/admin.py", "json"): "a form of the contract",
    ("guard/control/listener.py", "token"): "a member of admin.json",
    ("guard/control/openapi.py", "json"): "a form of the contract",
    ("guard/control/admin_service.py", "model"): "a member of the status",
    ("guard/control/admin_service.py", "previous"): "a member of the status",
    ("guard/dialects/openai.py", "model"): "a member of its requests",
    ("guard/dialects/openai_length.py", "model"): "a member of its events",
    ("guard/dialects/texts.py", "disabled"): "a word of `thinking` and `truncation`",
    ("guard/dialects/texts.py", "email"): "a format of JSON Schema",
    ("guard/candidate/release_state.py", "model"): "a role of a release",
    ("guard/candidate/release_state.py", "previous"): "a role of a release",
    ("guard/cli/release_orders.py", "model"): "a role of a release",
    ("guard/cli/release_orders.py", "previous"): "a role of a release",
    ("guard/control/release_path.py", "previous"): "a code of a refusal",
    ("guard/control/release_shadow.py", "json"): "a form of output",
    ("guard/policy/units.py", "token"): "a unit",
    ("guard/control/release_report.py", "model"): "a role of a release",
    ("guard/control/release_report.py", "previous"): "a role of a release",
    ("guard/kit/demo_release.py", "model"): "a role of a release",
    ("guard/kit/demo_release.py", "token"): "a member of admin.json",
    ("guard/kit/candidate/engines/mlflow.py", "mlflow"): "an engine of a candidate",
    ("guard/kit/candidate/engines/mlflow.py", "json"): "an argument of the HTTP client",
    ("guard/kit/checklist/run.py", "json"): "a form of output",
    ("guard/kit/contract/markdown.py", "rules"): "a name of the template",
    ("guard/kit/contract/requests.py", "model"): "a member of requests",
    ("guard/kit/contract/formats.py", "json"): "a form of output",
    ("guard/kit/export/rules.py", "rules"): "a member of Prometheus' rule files",
    ("guard/kit/export/slo.py", "rules"): "a member of Prometheus' rule files",
    ("guard/kit/init/survey.py", "model"): "what a service is called that has no name",
    ("guard/kit/rehearse/files.py", "json"): "a suffix of file names",
    ("guard/kit/rehearse/forms/terminal.py", "model"): "the head of a column",
    ("guard/kit/rehearse/load.py", "model"): "the model server's process",
    ("guard/kit/rehearse/load_checks.py", "model"): "the model server's process",
    ("guard/kit/release/run.py", "model"): "a member of the release record",
    ("guard/kit/release/verify.py", "previous"): "a member of the release record",
    ("guard/kit/release/write.py", "model"): "a member of the release record",
    ("guard/kit/release/write.py", "previous"): "a member of the release record",
    ("guard/kit/request_builder/openai.py", "model"): "a member of its requests",
    ("guard/monitoring/reference.py", "json"): "a mode of pydantic",
    ("guard/monitoring/state.py", "json"): "a mode of pydantic",
    ("guard/policy/descriptions.py", "previous"): "a key of a policy",
    ("guard/policy/descriptions.py", "cached"): "a key of a policy",
    ("guard/policy/descriptions.py", "rules"): "a key of a policy",
    ("guard/policy/descriptions.py", "disabled"): "a key of a policy",
    ("guard/policy/descriptions.py", "model"): "a key of a policy",
    ("guard/policy/fields.py", "model"): "`from: model` of an output",
    ("guard/policy/models.py", "model"): "a word of `ready`",
    ("guard/policy/release.py", "rules"): "a kind of part of a release",
    ("guard/control/upstream.py", "model"): "a word of `ready`",
}
"""The same word, where it names no member."""


def literals(path):
    """Every string of a file that is no docstring, with its line."""
    tree = ast.parse(path.read_text())
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value, node.lineno


NAMED = [
    (str(path.relative_to(ROOT)), line, word)
    for path in sorted((ROOT / "guard").rglob("*.py"))
    for word, line in literals(path)
    if word in MEMBERS and word not in OWN.get(str(path.relative_to(ROOT)), ())
]


def test_nothing_names_a_member_but_its_registry_and_its_own_file():
    wrong = [
        f"{file}:{line}: the {MEMBERS[word]} {word!r}" for file, line, word in NAMED if (file, word) not in OTHER_MEANINGS
    ]
    assert wrong == [], "read the registry, or the member's own name; list another meaning of the word"


def test_no_other_meaning_is_listed_that_is_gone():
    assert set(OTHER_MEANINGS) - {(file, word) for file, _, word in NAMED} == set()


def test_each_registry_of_the_kit_is_keyed_by_names_that_dialects_have():
    from guard.kit.init.survey import FAMILIES, OTHERS
    from guard.kit.request_builder import BUILDERS

    assert set(BUILDERS) <= set(DIALECTS)
    assert {name for source in (*FAMILIES, *OTHERS) for name in source.dialects} == set(DIALECTS)


ADDED = """
import re, sys
from guard import dialects, webhooks
from guard.dialects.common import Common
from guard.privacy import detectors
from guard.privacy.detectors.values import Detector
from guard.webhooks.json import Json

class Fake(Common):
    name = "fake-dialect"

class Hook(Json):
    name = "fake-format"

dialects.DIALECTS[Fake.name] = Fake()
detectors.DETECTORS["fake-detector"] = Detector("fake-detector", re.compile("needle"), hint=re.compile("n"))
webhooks.FORMATS[Hook.name] = Hook()
"""
"""What one new file and one line in its registry come to, before anything reads the registries."""
POLICY = """
version: guard/v1
service: s
upstream: http://127.0.0.1:1
webhooks: [{url: "https://hook.example/x", format: fake-format}]
routes:
  POST /p:
    dialect: fake-dialect
    input: {note: {type: string, detect: [fake-detector]}}
    output: {label: {enum: [a, b]}}
"""


def with_added(code, *arguments):
    done = subprocess.run(
        [sys.executable, "-c", ADDED + code, *map(str, arguments)], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def test_a_new_member_is_in_the_schema_of_the_policy():
    schema = json.loads(with_added("from guard.policy.schema import text; print(text())"))
    assert "fake-dialect" in schema["$defs"]["Route"]["properties"]["dialect"]["enum"]
    assert "fake-format" in schema["$defs"]["Webhook"]["properties"]["format"]["enum"]
    assert "fake-detector" in schema["$defs"]["InputField"]["properties"]["detect"]["items"]["enum"]


def test_a_new_member_is_in_the_page_of_the_policy():
    page = with_added("from tests.policy.page import page; print(page())")
    assert all(f"`{name}`" in page for name in ("fake-dialect", "fake-format", "fake-detector"))


@pytest.mark.parametrize("command", [["check"], ["contract"], ["privacy"], ["contract", "--format", "openapi"]])
def test_every_command_takes_a_policy_with_a_new_member(tmp_path, command):
    (tmp_path / "policy.yaml").write_text(POLICY)
    run = "\nfrom guard.cli import main\nsys.exit(main())"
    shown = with_added(run, command[0], tmp_path / "policy.yaml", *command[1:])
    if command[0] in {"contract", "privacy"}:
        assert ("fake-dialect" if command[0] == "contract" else "fake-detector") in shown


def test_a_new_member_acts():
    code = """
from pathlib import Path
from guard.policy.loading import load
from guard.policy.compiling import CompileContext, compile_plan
from guard.privacy.detectors import compile_detectors
from guard.webhooks import FORMATS
raw = sys.argv[1].encode()
loaded = load(Path("p.yaml"), environ={}, read=lambda path: raw)
plan = compile_plan(loaded, CompileContext())
print(plan.routes[0].dialect.name, compile_detectors(["fake-detector"])("a needle here")[0])
print(FORMATS[loaded.policy.webhooks[0].format].endpoint("https://hook.example/x"))
"""
    shown = with_added(code, POLICY)
    assert "fake-dialect" in shown
    assert "[fake-detector]" in shown
    assert "https://hook.example/x" in shown
