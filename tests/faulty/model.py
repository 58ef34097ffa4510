"""A small model server, one process, a fault of each kind by a switch. It scores a credit, and knows nothing of guard.

nan       answers 200 with NaN where income is 0: a ratio of it
category  crashes on an employment that it was not trained on: the connection closes without an answer
slow      is ten times slower while 12 or more ask at once
leak      keeps 64 KiB of every request
echo      refuses long notes, and its error repeats what it was sent
hang      never answers where income is above a million
lie       says 200 and a length that is not true
"""

import argparse
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

FAULTS = ("none", "nan", "category", "slow", "leak", "echo", "hang", "lie")
KNOWN = {"salaried": 0.2, "self": 0.1, "none": -0.3}
SERVICE = 0.01


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, port: int, fault: str) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.fault, self.at_once, self.lock = fault, 0, threading.Lock()
        self.kept: list[bytes] = []

    def handle_error(self, request: Any, address: Any) -> None:
        """A crash closes the connection, which is what it is here for."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16  # head and body in one segment: two would wait for an acknowledgement between them
    server: Server

    def do_GET(self) -> None:
        self.say(200, b'{"status":"ok"}')

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        with self.server.lock:
            self.server.at_once += 1
        try:
            status, answer = self.answer(body)
        finally:
            with self.server.lock:
                self.server.at_once -= 1
        self.say(status, answer)

    def answer(self, body: bytes) -> tuple[int, bytes]:
        fault = self.server.fault
        document = json.loads(body)
        time.sleep(SERVICE * (10 if fault == "slow" and self.server.at_once >= 12 else 1))
        if fault == "leak":
            self.server.kept.append(b"x" * (64 << 10))
        if fault == "echo" and len(document.get("note", "")) > 200:
            return 422, json.dumps({"detail": [{"msg": "note is too long", "input": document["note"]}]}).encode()
        if fault == "hang" and document["income"] > 1_000_000:
            time.sleep(3600)
        job = KNOWN[document["employment"]] if fault == "category" else KNOWN.get(document["employment"], 0.0)
        score = min(max(0.5 + job + document["age"] / 1000, 0.0), 1.0)
        if fault == "nan" and not document["income"]:
            score = float("nan")
        return 200, json.dumps({"label": "approve" if score > 0.5 else "decline", "score": score}).encode()

    def say(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body) + (1000 if self.server.fault == "lie" else 0)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()
        if self.server.fault == "lie":
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--fault", choices=FAULTS, default="none")
    arguments = parser.parse_args()
    server = Server(arguments.port, arguments.fault)
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
