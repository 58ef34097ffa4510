"""A real Prometheus that scrapes what a test exposes. Debian's is 2.42: no OTLP receiver, which came with 2.47.

It is ready in about 50 ms and ends within 20, but its first scrape comes five seconds after the start, whatever the
interval: discovery holds its targets back that long, static ones too, and no flag changes it. So start one for a module,
not one for a test. (--scrape.discovery-reload-interval is a hidden flag; without it five seconds more may pass.)
OpenMetrics is what it asks for first, and exemplars it keeps of that only.
"""

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.servers import install
from tests.servers.process import WITHIN, found, running, until
from tests.sidecar import free_port


class Prometheus:
    """A running Prometheus; `targets` belong to the job "tests"."""

    def __init__(self, port: int, targets: Sequence[str]) -> None:
        self.port = port
        self.endpoint = f"http://127.0.0.1:{port}"
        self.targets = tuple(targets)
        self.now: float | None = None
        """The moment of which queries are answered, once one was chosen; else that of each query."""

    @property
    def ready(self) -> bool:
        """Whether it serves queries; false too when it is not there."""
        try:
            return self._get("/-/ready")[0] == 200
        except (OSError, HTTPException):
            return False

    def query(self, expr: str) -> list[dict[str, Any]]:
        """The vector an expression gives now: `{"metric": labels, "value": [seconds, "text"]}` each."""
        moment = {} if self.now is None else {"time": f"{self.now:.3f}"}
        found: list[dict[str, Any]] = self.ask("query", query=expr, **moment)["result"]
        return found

    def exemplars(self, expr: str) -> list[dict[str, Any]]:
        """The exemplars of an expression's series: `{"seriesLabels": …, "exemplars": […]}` each."""
        answer: list[dict[str, Any]] = self.ask("query_exemplars", query=expr, start="0", end="9999999999")
        return answer

    def scraped(self, n: int, within: float = WITHIN) -> None:
        """Wait until each target has been scraped n times with success since the start."""

        def enough() -> bool:
            counts = self.query(f'sum_over_time(up{{job="tests"}}[1h]) >= {n}')
            return {count["metric"]["instance"] for count in counts} >= set(self.targets)

        until(enough, lambda: json.dumps(self.ask("targets")["activeTargets"], indent=1), within)

    def ask(self, name: str, **parameters: str) -> Any:
        """The data of a call of the HTTP API; AssertionError if it is refused, an expression with a fault for one."""
        status, body = self._get(f"/api/v1/{name}?{urlencode(parameters)}")
        assert status == 200, body.decode(errors="replace")
        return json.loads(body)["data"]

    def _get(self, path: str) -> tuple[int, bytes]:
        client = HTTPConnection("127.0.0.1", self.port, timeout=WITHIN)
        try:
            client.request("GET", path)
            answer = client.getresponse()
            return answer.status, answer.read()
        finally:
            client.close()


@contextmanager
def prometheus(
    targets: Sequence[str],
    interval: str = "1s",
    folder: Path | None = None,
    flags: Sequence[str] = (),
    *,
    path: str = "/metrics",
    rules: Sequence[Path] = (),
) -> Iterator[Prometheus]:
    """A Prometheus that scrapes `host:port` targets and evaluates rule files. Its data go to a folder, or vanish."""
    program = found(install.prometheus)
    port = free_port()
    with ExitStack() as stack:
        place = folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="prometheus-")))
        config = place / "prometheus.yml"
        config.write_text(json.dumps({
            "global": {"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval},
            "rule_files": [str(rule.resolve()) for rule in rules],
            "scrape_configs": [
                {"job_name": "tests", "metrics_path": path, "static_configs": [{"targets": list(targets)}]},
            ],
        }))  # fmt: skip
        arguments = [
            f"--config.file={config}", f"--storage.tsdb.path={place / 'data'}", f"--web.listen-address=127.0.0.1:{port}",
            "--scrape.discovery-reload-interval=20ms", "--enable-feature=exemplar-storage", "--log.level=warn", *flags,
        ]  # fmt: skip
        server = Prometheus(port, targets)
        with running(program, arguments, place, lambda: server.ready):
            yield server
