"""A real Alertmanager, whose notifications go to a webhook of a test's. Debian's is 0.25.

Debian's reads its templates from /usr/share/prometheus, whatever it is told; where the package is only unpacked, it runs in a
mount namespace of its own, in which its own share lies there. No privilege is needed for that but user namespaces.
"""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from tests.servers import install
from tests.servers.install import Missing, Program
from tests.servers.process import WITHIN, found, running
from tests.sidecar import free_port


class Alertmanager:
    """A running one."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"

    @property
    def ready(self) -> bool:
        """Whether it serves."""
        try:
            return self._get("/-/ready")[0] == 200
        except (OSError, HTTPException):
            return False

    def alerts(self) -> list[dict[str, Any]]:
        """What it holds for not over."""
        status, body = self._get("/api/v2/alerts")
        assert status == 200, body
        found: list[dict[str, Any]] = json.loads(body)
        return found

    def _get(self, path: str) -> tuple[int, bytes]:
        client = HTTPConnection("127.0.0.1", self.port, timeout=WITHIN)
        try:
            client.request("GET", path)
            answer = client.getresponse()
            return answer.status, answer.read()
        finally:
            client.close()


def _runnable() -> tuple[Program, list[str]]:
    """What to start, and what to say before its own arguments. Raises Missing."""
    program = install.alertmanager()
    share = Path(program.path).parents[1] / "share"
    if share == Path("/usr/share") or not (share / "prometheus" / "alertmanager").is_dir():
        return program, []
    unshare = shutil.which("unshare")
    apart = ["--map-root-user", "--mount"]
    if unshare is None or subprocess.run([unshare, *apart, "true"], check=False, capture_output=True).returncode:
        raise Missing("alertmanager: Debian's templates lie elsewhere, and there are no user namespaces here")
    script = 'mount --bind "$0" /usr/share && exec "$@"'
    return Program(unshare, {**program.environ, "PATH": "/usr/bin:/bin"}), [
        *apart,
        "sh",
        "-c",
        script,
        str(share),
        program.path,
    ]


@contextmanager
def alertmanager(webhook: str) -> Iterator[Alertmanager]:
    """One that notifies at once, and groups as its documentation advises."""
    program, before = found(_runnable)
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="alertmanager-") as folder:
        config = Path(folder, "alertmanager.yml")
        config.write_text(json.dumps({
            "route": {"receiver": "tests", "group_by": ["alertname", "service"], "group_wait": "0s",
                      "group_interval": "1s", "repeat_interval": "1h"},
            "receivers": [{"name": "tests", "webhook_configs": [{"url": webhook, "send_resolved": True}]}],
        }))  # fmt: skip
        arguments = [
            f"--config.file={config}", f"--storage.path={folder}/data", f"--web.listen-address=127.0.0.1:{port}",
            "--cluster.listen-address=", "--log.level=warn",
        ]  # fmt: skip
        server = Alertmanager(port)
        with running(program, [*before, *arguments], Path(folder), lambda: server.ready):
            yield server
