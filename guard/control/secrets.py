"""Secrets of which a policy names only the place, and who else can reach that place."""

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel

from guard.events import SecretExposed
from guard.policy.errors import Path as PolicyPath
from guard.policy.errors import dotted
from guard.policy.ladder import Secret, TargetTls
from guard.policy.models import Admin, ListenTls, Policy


def resolve(secret: Secret, environ: Mapping[str, str]) -> bytes | None:
    """The secret, without the line end that editors leave; None where it is not there, or empty."""
    if secret.file is not None:
        try:
            content = secret.file.path.read_bytes()
        except OSError:
            return None
    else:
        content = environ.get(secret.env or "", "").encode()
    return content.rstrip(b"\r\n") or None


def read_tokens(secret: Secret, environ: Mapping[str, str]) -> bytes:
    """The content of the token file, or of the variable that holds it. Raises OSError."""
    if secret.file is not None:
        return secret.file.path.read_bytes()
    return environ.get(secret.env or "", "").encode()


class SecretFile(NamedTuple):
    """A file that a policy names. `private`: whoever reads it has the secret; a token file holds only digests."""

    where: PolicyPath
    path: Path
    private: bool

    @property
    def key(self) -> str:
        """The key of the policy that names it."""
        return dotted(self.where)

    def exposure(self) -> str | None:
        """The exposure of the file by its mode; None if it is private or does not exist."""
        try:
            mode = stat.S_IMODE(os.stat(self.path).st_mode)  # noqa: PTH116 — of what a link points to
        except OSError:
            return None
        if mode & stat.S_IWOTH:
            return "every user of this machine can write it"
        if mode & stat.S_IWGRP:
            return "its group can write it"
        if self.private and mode & stat.S_IROTH:
            return "every user of this machine can read it"
        return None


def secret_files(policy: Policy) -> Iterator[SecretFile]:
    """Every file of a policy that holds a secret."""
    return _files(policy, ())


def _files(value: object, where: PolicyPath) -> Iterator[SecretFile]:
    match value:
        case Admin(tokens=Secret(file=file)) if file is not None:
            yield SecretFile((*where, "tokens"), file.path, private=False)
            yield from _files(value.tls, (*where, "tls"))
        case Secret(file=file) if file is not None:
            yield SecretFile(where, file.path, private=True)
        case ListenTls(key=file) | TargetTls(key=file) if file is not None:
            yield SecretFile((*where, "key"), file.path, private=True)
        case BaseModel():
            for name in type(value).model_fields:
                yield from _files(getattr(value, name), (*where, name))
        case Mapping():
            for name, member in tuple(value.items()):  # in a thread, while a replaced policy is let go route by route
                yield from _files(member, (*where, name))
        case list() | tuple():
            for number, member in enumerate(value):
                yield from _files(member, (*where, number))


def exposures(policy: Policy) -> list[SecretExposed]:
    """The files of a policy's secrets that others reach. It asks the disk."""
    exposed = ((file, file.exposure()) for file in secret_files(policy))
    return [SecretExposed(key=file.key, path=str(file.path), why=why) for file, why in exposed if why is not None]
