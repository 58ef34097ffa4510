"""A model server that answers at once, but for what an attack wants of it: `python -m tests.attack.model PORT`."""

import asyncio
import json
import sys

import uvloop

from tests.attack.wire import Http

HOSTILE = json.dumps({"rows": [""] * 200_000}).encode()
"""An answer that breaks its contract at every element, 800 KB."""


CHAT = {"choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "a"}}]}


class Model(Http):
    """One connection."""

    def message(self, head: bytes, body: bytes) -> None:
        """A request is complete."""
        if head.startswith(b"POST /v1/chat/"):
            self.answer(json.dumps({**CHAT, "model": f"vendor/{json.loads(body)['model']}:latest"}).encode())
        elif head.startswith(b"POST /v1/"):  # a collector's paths
            self.transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1073741824\r\n\r\n")
            self.go_on()
        elif head.startswith(b"POST /slow"):
            asyncio.get_running_loop().call_later(10.0, self.answer, b"{}")
        else:
            self.answer(HOSTILE if head.startswith(b"POST /hostile") else b'{"label":"a"}')

    def go_on(self) -> None:
        """Write some of an answer without an end, and more of it soon."""
        if self.transport.is_closing():
            return
        if self.transport.get_write_buffer_size() < len(HOSTILE):
            self.transport.write(bytes(len(HOSTILE)))
        asyncio.get_running_loop().call_later(0.01, self.go_on)

    def answer(self, body: bytes) -> None:
        """Write an answer."""
        length = str(len(body)).encode()
        self.transport.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: " + length + b"\r\n\r\n" + body
        )


async def main(port: int) -> None:
    """Serve until killed."""
    await asyncio.get_running_loop().create_server(Model, "127.0.0.1", port, backlog=4096)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
