"""A real Alertmanager with a configuration of ours; it sends to nobody that is there.

Debian's looks for its templates in /usr/share and nowhere else. Where they are not, it gets the package's own /usr/share, in
a mount namespace that it has for itself.
"""

import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from tests.servers import install
from tests.servers.process import WITHIN, found, running
from tests.sidecar import free_port

TEMPLATES = Path("/usr/share/prometheus/alertmanager/default.tmpl")


class Alertmanager:
    """A running Alertmanager."""

    def __init__(self, port: int) -> None:
        self.port = port

    @property
    def ready(self) -> bool:
        """Whether it takes alerts."""
        try:
            return self._ask("GET", "/-/ready")[0] == 200
        except (OSError, HTTPException):
            return False

    def fire(self, alerts: Sequence[dict[str, str]]) -> None:
        """Alerts by their labels, as Prometheus sends them."""
        status, body = self._ask("POST", "/api/v2/alerts", json.dumps([{"labels": labels} for labels in alerts]))
        assert status == 200, body

    def alerts(self) -> list[dict[str, Any]]:
        """What it knows: `labels`, `receivers`, and `status` with `inhibitedBy`."""
        document: list[dict[str, Any]] = json.loads(self._ask("GET", "/api/v2/alerts")[1])
        return document

    def _ask(self, method: str, path: str, body: str | None = None) -> tuple[int, bytes]:
        client = HTTPConnection("127.0.0.1", self.port, timeout=WITHIN)
        try:
            client.request(method, path, body, {"Content-Type": "application/json"})
            answer = client.getresponse()
            return answer.status, answer.read()
        finally:
            client.close()


@contextmanager
def alertmanager(config: str) -> Iterator[Alertmanager]:
    """An Alertmanager, alone."""
    program = found(install.alertmanager)
    server = Alertmanager(free_port())
    with tempfile.TemporaryDirectory(prefix="alertmanager-") as folder:
        file = Path(folder, "alertmanager.yaml")
        file.write_text(config)
        arguments = [
            f"--config.file={file}", f"--storage.path={folder}/data", f"--web.listen-address=127.0.0.1:{server.port}",
            "--cluster.listen-address=", "--log.level=warn",
        ]  # fmt: skip
        if not TEMPLATES.exists():
            share = Path(program.path).parents[1] / "share"
            within = ["-rm", "sh", "-c", 'mount --bind "$0" /usr/share && exec "$@"', str(share), program.path]
            program, arguments = install.Program(shutil.which("unshare") or "unshare", {}), [*within, *arguments]
        with running(program, arguments, Path(folder), lambda: server.ready):
            yield server
