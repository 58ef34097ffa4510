"""TLS contexts, both ways, and the files that a policy names for them."""

import ssl
from collections.abc import Iterator
from pathlib import Path

from guard.policy.loading import Loaded
from guard.policy.route import Route


def client_context(ca: Path | None, cert: Path | None, key: Path | None) -> ssl.SSLContext:
    """The TLS context for a model server, with guard's certificate. Verification is always on. Raises OSError."""
    context = ssl.create_default_context(cafile=ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if cert is not None:
        context.load_cert_chain(cert, key)
    return context


def server_context(cert: Path, key: Path) -> ssl.SSLContext:
    """The TLS context for clients. Raises OSError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(cert, key)
    return context


def certificate_files(loaded: Loaded) -> Iterator[Path]:
    """The files of TLS, towards clients and towards every model server."""
    policy = loaded.policy
    ladders = [route.fallback for route in policy.routes.values() if isinstance(route, Route)]
    previous = [ladder.previous.tls for ladder in ladders if ladder.previous is not None]
    for declared in (policy.listen.tls, policy.upstream.tls, *previous):
        for name in ("ca", "cert", "key"):
            file = getattr(declared, name, None)
            if file is not None:
                yield file.path
