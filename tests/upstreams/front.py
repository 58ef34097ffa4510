"""A `guard serve` in front of a model server, by the route that a user would write."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent, indent

import httpx2

from tests.servers.model_server import ModelServer
from tests.sidecar import Sidecar, sidecar
from tests.upstreams.families import Family, Row

PATIENT = "timeout: {connect: 1s, attempt: 20s, idle: 20s, request: 40s}"
"""Machines that run tests are busy; what is tested here is not time."""


@contextmanager
def fronted(server: ModelServer, routes: Mapping[str, str], *, breaker: str, common: str = "") -> Iterator[Sidecar]:
    """Each route of `routes` is as in a policy, without timeouts and breaker; an empty one is passed through."""
    lines = ["version: guard/v1", "service: t", "drain: 0s", f"upstream: {server.url}", common, "routes:"]
    for key, route in routes.items():
        body = indent(dedent(f"{PATIENT}\nbreaker: {breaker}\n") + dedent(route).strip("\n"), "    ")
        lines.append(f'  "{key}":\n{body}' if route else f'  "{key}": passthrough')
    with tempfile.TemporaryDirectory() as folder:
        policy = Path(folder) / "policy.yaml"
        policy.write_text("\n".join(lines) + "\n", encoding="utf-8")
        with sidecar(str(policy), folder=Path(folder)) as guard:
            yield guard


def client_of(guard: Sidecar) -> httpx2.Client:
    """httpx2, as it is."""
    return httpx2.Client(base_url=f"http://127.0.0.1:{guard.port}", timeout=60)


class Scene:
    """A server of a family, guard before it, and a client."""

    def __init__(self, family: Family, server: ModelServer, guard: Sidecar, client: httpx2.Client) -> None:
        self.family, self.server, self.guard, self.client = family, server, guard, client

    def send(self, *rows: Row) -> httpx2.Response:
        return self.post(self.family.write(rows))

    def post(self, body: bytes, **headers: str) -> httpx2.Response:
        return self.client.post(self.family.path, content=body, headers={**self.family.headers, **headers})

    def read(self, answer: httpx2.Response) -> list[str]:
        """The species in an answer, as a client of the family reads it."""
        is_json = "json" in answer.headers["content-type"]
        return self.family.read(answer.json() if is_json else answer.text)


@contextmanager
def before(family: Family, server: ModelServer, *, breaker: str, more: str = "") -> Iterator[Scene]:
    """The scene of one family."""
    with (
        fronted(server, {f"POST {family.path}": more + family.route}, breaker=breaker) as guard,
        client_of(guard) as client,
    ):
        yield Scene(family, server, guard, client)
