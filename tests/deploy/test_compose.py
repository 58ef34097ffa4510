"""deploy/compose: what no tool here can run is read by strict readers, and its parts must agree."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from guard.policy.loading import load
from tests.kit.export.making import export
from tests.servers import checkers, install
from tests.servers.process import found

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = ROOT / "deploy" / "compose"
POLICY = ROOT / "deploy" / "kubernetes" / "example" / "policy" / "policy.yaml"


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((COMPOSE / "compose.yaml").read_text())["services"]
    return found


def test_a_strict_reader_takes_it(services: dict[str, Any]) -> None:
    text = (COMPOSE / "compose.yaml").read_text()
    read = checkers.compose(text)
    assert isinstance(read, dict), read
    assert set(read["services"]) == set(services) == {"guard", "model", "collector", "prometheus", "grafana"}
    assert isinstance(checkers.compose(text.replace("read_only: true", "readonly: true", 1)), str)


def test_every_mounted_file_is_there_and_every_build_target_is_in_the_dockerfile(services: dict[str, Any]) -> None:
    declared = yaml.safe_load((COMPOSE / "compose.yaml").read_text())["volumes"]
    stages = set(re.findall(r"^FROM \S+ AS (\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE))
    for service in services.values():
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert (COMPOSE / source).exists() if source.startswith(".") else source in declared, source
        if "build" in service:
            assert (COMPOSE / service["build"]["context"]).resolve() == ROOT
            assert service["build"]["target"] in stages


def test_guard_and_the_model_share_a_network_and_are_locked_down(services: dict[str, Any]) -> None:
    assert services["model"]["network_mode"] == "service:guard"
    assert "ports" not in services["model"]
    for name in ("guard", "model"):
        assert services[name]["read_only"] is True
        assert services[name]["cap_drop"] == ["ALL"]
    assert all(port.startswith("127.0.0.1:") for service in services.values() for port in service.get("ports", ()))
    mounts = {volume.split(":")[1]: volume.split(":") for volume in services["guard"]["volumes"]}
    policy = load(POLICY, environ={}).policy
    assert policy.kill_file is not None
    assert mounts[str(policy.kill_file.path.parent)][2] == "ro"
    assert str(policy.state_dir) in mounts
    assert mounts["/etc/guard/policy"][0] == "../kubernetes/example/policy"


def test_rules_and_dashboard_are_what_the_policy_makes_now(tmp_path: Path) -> None:
    def undated(text: str) -> str:
        """Without the policy's digest, which a new key of guard's changes too."""
        return re.sub("sha256:[0-9a-f]{12}", "", text)

    text = POLICY.read_text()
    for what, file in (("prometheus-rules", "prometheus/rules.yaml"), ("grafana", "grafana/dashboards/guard.json")):
        made = export(what, text, tmp_path).text
        command = f"guard export {what} {POLICY.relative_to(ROOT)} > deploy/compose/{file}"
        assert undated((COMPOSE / file).read_text()) == undated(made), command


def test_prometheus_takes_its_configuration_and_finds_guard(services: dict[str, Any]) -> None:
    import subprocess

    tool = found(install.promtool)
    run = subprocess.run(
        [tool.path, "check", "config", "prometheus.yaml"], cwd=COMPOSE / "prometheus", capture_output=True, text=True,
        env=dict(tool.environ), check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    (job,) = yaml.safe_load((COMPOSE / "prometheus" / "prometheus.yaml").read_text())["scrape_configs"]
    policy = load(POLICY, environ={}).policy
    assert job["job_name"] == policy.service
    assert job["static_configs"] == [{"targets": [f"guard:{policy.listen.ops.port}"]}]
    assert "guard" in services


def test_grafana_is_provisioned_with_the_dashboard_and_its_source(services: dict[str, Any]) -> None:
    (source,) = yaml.safe_load((COMPOSE / "grafana" / "datasources.yaml").read_text())["datasources"]
    assert (source["type"], source["url"], source["isDefault"]) == ("prometheus", "http://prometheus:9090", True)
    (provider,) = yaml.safe_load((COMPOSE / "grafana" / "dashboards.yaml").read_text())["providers"]
    mounts = {volume.split(":")[1] for volume in services["grafana"]["volumes"]}
    assert provider["options"]["path"] in mounts
    assert json.loads((COMPOSE / "grafana" / "dashboards" / "guard.json").read_text())["panels"]


def test_the_collector_takes_what_guard_sends(services: dict[str, Any]) -> None:
    collector = yaml.safe_load((COMPOSE / "collector.yaml").read_text())
    assert set(collector) == {"receivers", "processors", "exporters", "service"}
    for pipeline in collector["service"]["pipelines"].values():
        for kind, names in pipeline.items():
            assert set(names) <= set(collector[kind])
    port = collector["receivers"]["otlp"]["protocols"]["http"]["endpoint"].rpartition(":")[2]
    assert services["guard"]["environment"]["OTEL_EXPORTER_OTLP_ENDPOINT"] == f"http://collector:{port}"
    assert services["guard"]["environment"]["OTEL_METRICS_EXPORTER"] == "none"
