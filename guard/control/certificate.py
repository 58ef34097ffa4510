"""The certificate that clients see: read beside the loop, within a deadline, and renewed under its listener."""

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from guard.control.tls import server_context
from guard.control.watched_files import WatchedFiles
from guard.events import CertificateRefused, Publish

FILE = "certificate"


class ServerCertificate:
    """The certificate of one listener. `context`: None until it is loaded, and where the listener has no TLS."""

    def __init__(self, files: WatchedFiles, publish: Publish) -> None:
        self.context: ssl.SSLContext | None = None
        self._files, self._publish = files, publish

    async def load(self, cert: Path, key: Path) -> None:
        """Make the context of a listener that begins. Raises OSError, also where a file hangs."""
        self.context = await self._files.read_with_deadline(FILE, partial(server_context, cert, key))

    async def renew(self, cert: Path, key: Path) -> None:
        """Show this certificate in handshakes from now on. One that cannot be used is published, and the old one stays."""
        if self.context is None:
            return
        try:
            pair = await self._files.read_with_deadline(FILE, partial(_checked, cert, key))
            with in_memory(pair[0]) as first, in_memory(pair[1]) as second:
                self.context.load_cert_chain(first, second)
        except OSError as error:
            self._files.report(FILE, error)
            self._publish(CertificateRefused(why=str(error)))


def _checked(cert: Path, key: Path) -> tuple[bytes, bytes]:
    """Both files, once they fit one another: a pair that does not would be half loaded. Raises OSError."""
    pair = cert.read_bytes(), key.read_bytes()
    with in_memory(pair[0]) as first, in_memory(pair[1]) as second:
        server_context(first, second)
    return pair


@contextmanager
def in_memory(content: bytes) -> Iterator[Path]:
    """A path to the content of a file that was read: OpenSSL takes paths only, and a second read might hang."""
    descriptor = os.memfd_create("guard-tls", os.MFD_CLOEXEC)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(descriptor, view) :]
        yield Path(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)
