"""The images as a pod: guard first, then the model; killed, its policy rolled, drained. `make image-e2e`.

As in a pod, containers share a network and nothing else, volumes change as kubelet changes them, and signals come from
outside. Other than there, buildah's chroot gives no cgroups and leaves the file system writable; so it is looked for what
was written.
"""

import http.client
import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from sklearn.datasets import load_breast_cancer

from tests.servers.process import until
from tests.sidecar import free_port

if os.environ.get("GUARD_IMAGE") != "1":
    pytest.skip("needs the images of `make image`: make image-e2e", allow_module_level=True)

from tests.image.pod import GUARD, MODEL, USER, ConfigMap, Container, Load, config, container

POLICY = Path(__file__).resolve().parents[2] / "deploy/kubernetes/example/policy/policy.yaml"


class Pod(NamedTuple):
    """Two containers, two volumes."""

    guard: Container
    model: Container
    policy: ConfigMap
    kill: ConfigMap
    state: Path
    data: int
    ops: int
    upstream: int


@pytest.fixture
def pod(tmp_path: Path) -> Iterator[Pod]:
    state = tmp_path / "state"
    state.mkdir()
    os.chown(state, USER, USER)  # fsGroup does as much
    tmp_path.chmod(0o755)
    policy = ConfigMap(tmp_path / "policy", **{"policy.yaml": POLICY.read_text()})
    kill = ConfigMap(tmp_path / "kill")
    data, ops, admin, upstream = (free_port() for _ in range(4))
    environ = {
        "GUARD_LISTEN": f"127.0.0.1:{data}", "GUARD_OPS": f"127.0.0.1:{ops}", "GUARD_ADMIN": f"127.0.0.1:{admin}",
        "GUARD_UPSTREAM": f"http://127.0.0.1:{upstream}",
    }  # fmt: skip
    volumes = {policy.folder: "/etc/guard/policy:ro", kill.folder: "/etc/guard/kill:ro", state: "/var/lib/guard"}
    with ExitStack() as stack:
        guard = stack.enter_context(container(GUARD, tmp_path, environ, volumes))
        model = stack.enter_context(container(MODEL, tmp_path, {}, {}))
        yield Pod(guard, model, policy, kill, state, data, ops, upstream)


def get(port: int, path: str) -> tuple[int, Any]:
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        client.request("GET", path)
        answer = client.getresponse()
        return answer.status, json.loads(answer.read() or b"null")
    except OSError:
        return 0, None
    finally:
        client.close()


def bodies() -> list[bytes]:
    data = load_breast_cancer()
    rows = [dict(zip(map(str, data.feature_names), map(float, row), strict=True)) for row in data.data[:20]]
    return [json.dumps({"patient_id": "AB-123456", **row}).encode() for row in rows]


def is_from(source: str) -> Any:
    return lambda answer: answer[:2] == (200, source)


def test_a_pod_lives_is_killed_has_its_policy_rolled_and_drains(pod: Pod) -> None:
    begun = time.perf_counter()
    pod.guard.start()
    until(lambda: get(pod.ops, "/livez")[0] == 200, lambda: "".join(pod.guard.lines), 60)
    print(f"\nguard: live {time.perf_counter() - begun:.2f} s after `run`")
    serving = pod.guard.wait_for("serving")
    status = Path(f"/proc/{serving['pid']}/status").read_text()
    assert f"Uid:\t{USER}\t{USER}" in status

    # While the model loads the pod is not ready; who comes all the same gets the fallback.
    assert get(pod.ops, "/readyz") == (503, {"ready": False, "waiting": ["upstream"]})
    load = Load(pod.data, bodies())
    load.until(is_from("rules"))
    pod.model.start("--port", str(pod.upstream))
    until(lambda: get(pod.ops, "/readyz")[0] == 200, lambda: "".join(pod.model.lines), 60)
    load.until(is_from("model"))

    # Killed by an operator in the container, and back.
    done = pod.guard.run("guard", "kill", "--reason", "trial")
    assert done.returncode == 0, done.stderr
    load.until(is_from("rules"))
    assert pod.guard.run("guard", "restore", "--reason", "trial is over").returncode == 0
    load.until(is_from("model"))

    # Killed by the ConfigMap, and back.
    pod.kill.write(KILL="rules\n")
    load.until(is_from("rules"))
    pod.kill.write()
    load.until(is_from("model"))

    # A policy that may not be served changes nothing, one that may is swapped under load.
    text = POLICY.read_text()
    pod.policy.write(**{"policy.yaml": text.replace("version: guard/v1", "version: guard/v9")})
    assert "guard/v9" in str(pod.guard.wait_for("policy_refused")["errors"])
    load.until(is_from("model"))
    pod.policy.write(
        **{
            "policy.yaml": text.replace(
                "mean radius: {type: number, unit: µm, min: 0, max: 60",
                "mean radius: {type: number, unit: µm, min: 0, max: 12",
            )
        }
    )
    load.until(lambda answer: answer[0] == 422)
    pod.policy.write(**{"policy.yaml": text})
    load.until(is_from("model"))
    assert {answer[0] for answer in load.answers} == {200, 422}

    # What the image calls health; and the memory it takes.
    test = pod.guard.config["Healthcheck"]["Test"]
    assert test[0] == "CMD"
    assert "8902" in test[-1]
    healthy = [*test[1:-1], test[-1].replace("8902", str(pod.ops))]
    assert pod.guard.run(*healthy).returncode == 0
    print(f"guard: {next(line for line in status.splitlines() if line.startswith('VmRSS'))}")

    # Drained: not ready at once, connections are told to close, nobody is cut, exit 0.
    os.kill(serving["pid"], signal.SIGTERM)
    until(lambda: get(pod.ops, "/readyz") == (503, {"ready": False, "waiting": ["draining"]}), lambda: "", 10)
    load.until(lambda answer: answer[2] == "close")
    assert pod.guard.ended() == 0
    load.stop()
    assert load.broken == []
    assert pod.guard.wait_for("stopped")["cut"] == 0
    assert pod.guard.run(*healthy).returncode != 0

    # Nothing but the state volume was written.
    assert pod.guard.written() == []
    assert (pod.state / "private" / "audit.jsonl").exists()


def test_the_image_says_what_it_is() -> None:
    said = config(GUARD)
    assert (said["User"], said["StopSignal"]) == ("65532:65532", "SIGTERM")
    assert said["Entrypoint"] == ["/opt/guard/bin/guard"]
    assert "PYDANTIC_DISABLE_PLUGINS=__all__" in said["Env"]
    labels = {name.rpartition(".")[2]: value for name, value in said["Labels"].items() if "opencontainers" in name}
    assert labels["title"] == "guard"
    assert labels["licenses"] == "Apache-2.0"
    assert labels["version"] == "0.1.0"
    assert len(labels["revision"]) == 40


def test_the_image_has_no_way_to_install_and_its_user_can_write_nothing(tmp_path: Path) -> None:
    with container(GUARD, tmp_path, {}, {}) as guard:
        assert guard.run("python3", "-m", "pip", "--version").returncode != 0
        probe = "import os, sys; print([p for p in ('/', '/opt/guard', '/opt/guard/lib', '/etc', '/usr') if os.access(p, os.W_OK)], os.getuid(), os.access('/var/lib/guard', os.W_OK))"  # fmt: skip
        assert guard.run("python3", "-c", probe).stdout == f"[] {USER} True\n"
        done = guard.run("guard", "serve", "/no/such/policy.yaml")
        assert done.returncode == 1
        assert "no policy to serve" in done.stderr
