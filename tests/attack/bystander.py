"""Whoever is not the attacker: clients, probes, an operator. `python -m tests.attack.bystander TARGET SECONDS`.

Each is a thread with a socket of its own, so that what it measures is the guard and the machine, and no other bystander.
Prints one JSON object: for each kind of question the seconds that every answer took, and how many were none.
"""

import json
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from tests.attack.stage import Target
from tests.attack.wire import HOST, length_of, request

WITHIN = 30.0
PREDICT = request("POST", "/predict", {"age": 40})


class Asked:
    """What one kind of bystander saw."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.failures: list[str] = []


def exchange(client: socket.socket, raw: bytes) -> tuple[int, bytes, bytes]:
    """One request; status, head and body of the answer. Raises OSError where there is none."""
    client.sendall(raw)
    received = b""
    while True:
        head, end, body = received.partition(b"\r\n\r\n")
        if end and len(body) >= length_of(head):
            return int(head[9:12]), head, body
        more = client.recv(65536)
        if not more:
            raise ConnectionError("closed")
        received += more


def connect(port: int, tls: ssl.SSLContext | None = None) -> socket.socket:
    """A new connection."""
    client = socket.create_connection((HOST, port), WITHIN)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return tls.wrap_socket(client, server_hostname=HOST) if tls is not None else client


class Bystanders:
    """All of them, until `stop`."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.seen: dict[str, Asked] = {}
        self.stop = threading.Event()
        context = ssl.create_default_context(cafile=target.ca) if target.ca else None
        self.tls = {target.tls: context}

    def repeat(self, name: str, every: float, ask: Callable[[], object]) -> threading.Thread:
        """A thread that asks again and again, and notes how long each answer took."""
        asked = self.seen[name] = Asked()

        def work() -> None:
            while not self.stop.is_set():
                begun = time.perf_counter()
                try:
                    ask()
                    asked.seconds.append(time.perf_counter() - begun)
                except (OSError, ValueError) as error:
                    asked.failures.append(f"{type(error).__name__} {error} after {time.perf_counter() - begun:.2f} s"[:120])
                self.stop.wait(max(0.0, every - (time.perf_counter() - begun)))

        return threading.Thread(target=work)

    def kept(self, port: int) -> Callable[[], None]:
        """A client that keeps its connection."""
        client: socket.socket | None = None

        def ask() -> None:
            nonlocal client
            try:
                if client is None:
                    client = connect(port, self.tls.get(port))
                status, head, _ = exchange(client, PREDICT)
                expect(status)
                if b"breaker_open" in head:
                    raise ValueError("breaker_open")
            except OSError:
                client = None
                raise

        return ask

    def fresh(self, port: int, raw: bytes) -> Callable[[], None]:
        """A client that connects for each request."""

        def ask() -> None:
            with connect(port, self.tls.get(port)) as client:
                expect(exchange(client, raw)[0])

        return ask

    def order(self, mode: str) -> Any:
        """One order of the operator, on a connection of its own; to raise, with the epoch of a status."""
        bearer = {"Authorization": f"Bearer {self.target.operator}"}
        if mode == "normal":
            with connect(self.target.admin, self.tls.get(self.target.admin)) as client:
                status, _, body = exchange(client, request("GET", "/admin/v1/status", **bearer))
            expect(status)
            bearer["If-Match"] = str(json.loads(body)["epoch"])
        with connect(self.target.admin, self.tls.get(self.target.admin)) as client:
            raw = request("PUT", "/admin/v1/mode", {"mode": mode, "reason": "bystander"}, **bearer)
            status, _, body = exchange(client, raw)
        expect(status)
        return json.loads(body)

    def kill(self) -> None:
        """The operator kills and restores, and looks with each request whether the kill is in force."""
        answered, in_force = self.seen["kill answered"], self.seen["kill in force"]
        begun = time.perf_counter()
        took: list[float] = []

        def look() -> None:
            try:
                with connect(self.target.data, self.tls.get(self.target.data)) as client:
                    while time.perf_counter() - begun < WITHIN:
                        if b"x-guard-source: rules" in exchange(client, PREDICT)[1].lower():
                            took.append(time.perf_counter() - begun)
                            return
                        time.sleep(0.002)
                in_force.failures.append("never")
            except OSError as error:
                in_force.failures.append(str(error))

        looking = threading.Thread(target=look)
        looking.start()
        try:
            self.order("rules")
            answered.seconds.append(time.perf_counter() - begun)
        except (OSError, ValueError) as error:
            answered.failures.append(f"{type(error).__name__} {error}")
        looking.join()
        in_force.seconds += took
        try:
            self.order("normal")
        except (OSError, ValueError) as error:
            answered.failures.append(f"restore: {type(error).__name__} {error}")


def expect(status: int) -> None:
    """Nothing but 200 is an answer."""
    if status != 200:
        raise ValueError(f"status {status}")


def main(target: Target, seconds: float) -> None:
    """Ask for so long, and print what was seen."""
    those = Bystanders(target)
    for name in ("kill answered", "kill in force"):
        those.seen[name] = Asked()
    threads = [
        those.repeat("machine", 0.01, those.kept(target.model)),
        those.repeat("client, kept connection", 0.02, those.kept(target.data)),
        those.repeat("client, new connections", 0.05, those.fresh(target.data, PREDICT)),
        those.repeat("livez", 0.1, those.fresh(target.ops, request("GET", "/livez"))),
        those.repeat("readyz", 0.1, those.fresh(target.ops, request("GET", "/readyz"))),
        those.repeat("operator", 0.7, those.kill),
    ]
    for thread in threads:
        thread.start()
    time.sleep(seconds)
    those.stop.set()
    for thread in threads:
        thread.join()
    del those.seen["operator"]
    sys.stdout.write(json.dumps({name: vars(asked) for name, asked in those.seen.items()}))


if __name__ == "__main__":
    main(Target(*json.loads(sys.argv[1])), float(sys.argv[2]))
