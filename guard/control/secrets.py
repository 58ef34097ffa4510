"""Secrets that a policy only says the place of."""

from collections.abc import Mapping

from guard.policy.ladder import Secret


def resolve(secret: Secret, environ: Mapping[str, str]) -> bytes | None:
    """The secret, without the line end that editors leave; None where it is not there, or empty."""
    if secret.file is not None:
        try:
            found = secret.file.path.read_bytes()
        except OSError:
            return None
    else:
        found = environ.get(secret.env or "", "").encode()
    return found.rstrip(b"\r\n") or None
