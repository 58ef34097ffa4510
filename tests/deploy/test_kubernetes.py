"""deploy/kubernetes: valid by the schemas of Kubernetes, and keeping what docs/kubernetes.md says."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from guard.control import ops
from guard.control.readiness import Readiness
from guard.control.shutdown import FINISH_WITHIN
from guard.policy.loading import load
from tests.deploy.kustomize import build, containers
from tests.servers import checkers

KUBERNETES = Path(__file__).resolve().parents[2] / "deploy" / "kubernetes"
POLICY = KUBERNETES / "example" / "policy" / "policy.yaml"
CRDS = {"PodMonitor"}
Document = dict[str, Any]


@pytest.fixture(scope="module")
def documents() -> list[Document]:
    return build(KUBERNETES / "example")


@pytest.fixture(scope="module")
def with_peers(tmp_path_factory: pytest.TempPathFactory) -> list[Document]:
    folder = tmp_path_factory.mktemp("peers") / "example"
    folder.parent.joinpath("guard").symlink_to(KUBERNETES / "guard")
    folder.parent.joinpath("peers").symlink_to(KUBERNETES / "peers")
    folder.mkdir()
    for file in (KUBERNETES / "example").iterdir():
        (folder / file.name).symlink_to(file)
    (folder / "kustomization.yaml").unlink()
    text = (KUBERNETES / "example" / "kustomization.yaml").read_text()
    (folder / "kustomization.yaml").write_text(text.replace("  - ../guard\n", "  - ../guard\n  - ../peers\n"))
    return build(folder)


def one(documents: list[Document], kind: str, name: str = "") -> Document:
    (found,) = [
        document for document in documents if document["kind"] == kind and name in ("", document["metadata"]["name"])
    ]
    return found


def sidecar(documents: list[Document]) -> Document:
    (found,) = one(documents, "Deployment")["spec"]["template"]["spec"]["initContainers"]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("version", ["1.30", "1.34", "1.37"])
def test_kubernetes_takes_it(documents: list[Document], with_peers: list[Document], version: str) -> None:
    for built in (documents, with_peers):
        plain = [item for item in built if item["kind"] not in CRDS]
        assert len(plain) >= 6
        assert checkers.kubernetes(plain, version) == []


def test_the_schemas_would_notice(documents: list[Document]) -> None:
    wrong = one(documents, "Deployment") | {"spec": {"replica": 1}}
    assert checkers.kubernetes([wrong], "1.37")


def test_the_pod_monitor_is_what_the_operator_knows(documents: list[Document]) -> None:
    monitor = one(documents, "PodMonitor")
    assert monitor["apiVersion"] == "monitoring.coreos.com/v1"
    assert set(monitor["spec"]) <= {"jobLabel", "selector", "podMetricsEndpoints", "namespaceSelector", "podTargetLabels"}
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    assert set(endpoint) <= {"port", "path", "interval", "scrapeTimeout"}
    assert endpoint["port"] in [port["name"] for port in sidecar(documents)["ports"]]
    labels = one(documents, "Deployment")["spec"]["template"]["metadata"]["labels"]
    assert monitor["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert labels[monitor["spec"]["jobLabel"]] == load(POLICY, environ={}).policy.service


def test_guard_is_a_native_sidecar_probed_on_its_ops_listener(documents: list[Document]) -> None:
    guard = sidecar(documents)
    assert guard["restartPolicy"] == "Always"
    declared = load(POLICY, environ={}).policy.listen
    pages = set(ops.probes(Readiness(), tuple)) | {"/metrics"}
    probes = {name: guard[name]["httpGet"] for name in ("startupProbe", "readinessProbe", "livenessProbe")}
    assert {name: probe["path"] for name, probe in probes.items()} == {
        "startupProbe": "/livez", "readinessProbe": "/readyz", "livenessProbe": "/livez",
    }  # fmt: skip
    assert {probe["port"] for probe in probes.values()} == {declared.ops.port}
    assert {probe["path"] for probe in probes.values()} <= pages
    assert [port["containerPort"] for port in guard["ports"]] == [declared.data.port, declared.ops.port]


def test_nothing_but_guard_decides_readiness_and_the_model_outlives_its_last_requests(documents: list[Document]) -> None:
    pod = one(documents, "Deployment")["spec"]["template"]["spec"]
    (model,) = pod["containers"]
    assert not {"readinessProbe", "livenessProbe", "startupProbe", "ports"} & set(model)
    sleep = model["lifecycle"]["preStop"]["sleep"]["seconds"]
    drain = load(POLICY, environ={}).policy.drain
    assert sleep > drain
    assert pod["terminationGracePeriodSeconds"] >= sleep + 15 + drain + FINISH_WITHIN


def test_volumes_are_whole_folders_of_what_is_there(documents: list[Document], with_peers: list[Document]) -> None:
    for built in (documents, with_peers):
        pod = one(built, "Deployment")["spec"]["template"]["spec"]
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        maps = {item["metadata"]["name"]: item for item in built if item["kind"] == "ConfigMap"}
        for container in containers(one(built, "Deployment")):
            for mount in container["volumeMounts"]:
                assert "subPath" not in mount
                volume = volumes[mount["name"]]
                assert "configMap" not in volume or volume["configMap"]["name"] in maps
        mounts = {mount["mountPath"]: mount for mount in sidecar(built)["volumeMounts"]}
        policy = load(POLICY, environ={}).policy
        assert policy.kill_file is not None
        assert str(policy.kill_file.path.parent) in mounts
        assert str(policy.state_dir) in mounts
        folder, _, name = sidecar(built)["args"][1].rpartition("/")
        assert name in maps[volumes[mounts[folder]["name"]]["configMap"]["name"]]["data"]


def test_containers_are_restricted(documents: list[Document]) -> None:
    """Pod Security Standards, restricted; and a file system that is read-only."""
    pod = one(documents, "Deployment")["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
    for container in containers(one(documents, "Deployment")):
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["readOnlyRootFilesystem"] is True
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert "limits" in container["resources"]
        assert "memory" in container["resources"]["requests"]
    assert all(set(volume) & {"configMap", "emptyDir", "secret"} for volume in pod["volumes"])
    user = re.search(
        r"^USER (\d+):(\d+)$", (KUBERNETES.parents[1] / "Dockerfile").read_text().split("AS guard")[1], re.MULTILINE
    )
    assert user is not None
    assert user[1] == str(sidecar(documents)["securityContext"]["runAsUser"]) == str(pod["securityContext"]["fsGroup"])


def test_clients_and_scrapers_reach_guard_and_nobody_the_model(documents: list[Document]) -> None:
    policy = one(documents, "NetworkPolicy", "guard")["spec"]
    labels = one(documents, "Deployment")["spec"]["template"]["metadata"]["labels"]
    assert policy["podSelector"]["matchLabels"].items() <= labels.items()
    assert policy["policyTypes"] == ["Ingress"]
    open_to = {port["port"]: rule.get("from") for rule in policy["ingress"] for port in rule["ports"]}
    declared = load(POLICY, environ={}).policy
    assert set(open_to) == {declared.listen.data.port, declared.listen.ops.port}
    assert open_to[declared.listen.data.port] is None
    assert open_to[declared.listen.ops.port]
    assert declared.upstream.url.host == "127.0.0.1"
    (port,) = one(documents, "Service")["spec"]["ports"]
    assert port["targetPort"] == declared.listen.data.port
    assert one(documents, "Service")["spec"]["selector"].items() <= labels.items()


def test_memory_has_room_for_what_guard_may_hold(documents: list[Document]) -> None:
    """110 MiB at a thousand connections (docs), bodies in flight, one cached rung."""
    limits = load(POLICY, environ={}).policy.listen.limits
    assert sidecar(documents)["resources"]["limits"]["memory"].removesuffix("Mi").isdigit()
    assert int(sidecar(documents)["resources"]["limits"]["memory"].removesuffix("Mi")) >= 110 + limits.buffered / 2**20 + 64


def test_peers_are_found_by_name_over_tls(with_peers: list[Document], tmp_path: Path) -> None:
    service = one(with_peers, "Service", "guard-peers")["spec"]
    assert service["clusterIP"] == "None"
    assert service["publishNotReadyAddresses"] is True
    labels = one(with_peers, "Deployment")["spec"]["template"]["metadata"]["labels"]
    assert service["selector"].items() <= labels.items()
    assert [port["containerPort"] for port in sidecar(with_peers)["ports"]].count(8901) == 1
    # the lines that the component asks for make a policy
    comment = (KUBERNETES / "peers" / "kustomization.yaml").read_text()
    lines = "".join(f"{line[4:]}\n" for line in comment.splitlines() if re.match(r"#   (listen|admin):", line))
    (tmp_path / "policy.yaml").write_text(POLICY.read_text() + lines)
    policy = load(tmp_path / "policy.yaml", environ={}).policy
    assert policy.listen.admin.port == service["ports"][0]["targetPort"]
    assert policy.admin.tokens is not None
    assert policy.admin.tls is not None
    mounts = {mount["mountPath"] for mount in sidecar(with_peers)["volumeMounts"]}
    for file in (policy.admin.tokens.file, policy.admin.tls.cert, policy.admin.tls.key):
        assert file is not None
        assert str(file.path.parent) in mounts


def test_the_policy_has_the_demos_routes() -> None:
    demo = load(KUBERNETES.parents[1] / "policies" / "tumour-triage.yaml", environ={}).policy
    assert load(POLICY, environ={}).policy.routes == demo.routes


def test_every_file_is_part_of_something() -> None:
    used = {"kustomization.yaml", "policy.yaml"}
    for file in KUBERNETES.rglob("kustomization.yaml"):
        document = yaml.safe_load(file.read_text())
        used |= {
            *document.get("resources", ()),
            *(patch["path"] for patch in document.get("patches", ()) if "path" in patch),
        }
    assert {path.name for path in KUBERNETES.rglob("*.yaml")} == used
