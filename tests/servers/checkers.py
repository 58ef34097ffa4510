"""What others say of files for systems that cannot run here: Grafana, Kubernetes, Compose."""

import json
import subprocess
from collections.abc import Sequence
from typing import Any

from tests.servers import install
from tests.servers.process import found

WITHIN = 120.0

_DASHBOARD = """
import json, sys
from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard
plugins.register_default_plugins()
print(JSONEncoder().encode(Dashboard.from_json(json.load(sys.stdin))))
"""
_KUBERNETES = """
import json, sys
import kubernetes_validate
version, *documents = json.load(sys.stdin)
refused = []
for document in documents:
    try:
        kubernetes_validate.validate(document, version, strict=True)
    except (kubernetes_validate.ValidationError, kubernetes_validate.SchemaNotFoundError) as error:
        path = "/".join(map(str, getattr(error, "path", ())))
        refused.append([document.get("kind"), document.get("metadata", {}).get("name"), path, str(error).splitlines()[0]])
print(json.dumps(refused))
"""
_COMPOSE = """
import json, sys
import compose_spec
try:
    compose = compose_spec.PyCompose.from_yaml(json.load(sys.stdin))
    compose.validate()
    print(json.dumps(compose.to_dict()))
except Exception as error:
    print(json.dumps(str(error)))
"""


def dashboard(document: dict[str, Any]) -> dict[str, Any]:
    """A dashboard as Grafana's own types read and write it again: what they do not know is gone, defaults are added."""
    read: dict[str, Any] = _run(_DASHBOARD, document)
    return read


def kubernetes(documents: Sequence[dict[str, Any]], version: str) -> list[list[str]]:
    """What is wrong with manifests, by the schemas of a version such as 1.29: kind, name, where, why."""
    refused: list[list[str]] = _run(_KUBERNETES, [version, *documents])
    return refused


def compose(text: str) -> Any:
    """A Compose file as a reader of the specification reads it; a text where it is refused."""
    return _run(_COMPOSE, text)


def _run(program: str, given: Any) -> Any:
    python = found(install.checkers)
    run = subprocess.run(
        [python.path, "-c", program], input=json.dumps(given), capture_output=True, text=True, check=False, timeout=WITHIN
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)
