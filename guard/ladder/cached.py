"""The rung that repeats the model's earlier answer to the same request. It is asked only below the model.

The store holds no byte of a request: an entry is found by a keyed digest, whose key ends with the process. The module
`cache_control` decides which answers may be kept, and which requests may receive them.
"""

import json
from collections.abc import Callable, Sequence
from hashlib import blake2b
from math import inf
from secrets import token_bytes
from typing import Final, NamedTuple

from cachetools import LRUCache

from guard.ladder.cache_control import CREDENTIALS, accepts, may_keep, terms, wishes
from guard.proxy.values import STREAM, Answer, Closed, Headers, Permit, Source, combined

KEPT: Final[frozenset[bytes]] = frozenset(
    (b"content-type", b"content-language", b"content-encoding", b"inference-header-content-length")
)
"""Headers of an answer that are kept with it: those that describe the content."""
OVERHEAD: Final = 512
"""Approximate bytes of an entry besides its body."""


class Entry(NamedTuple):
    """A kept answer; or, if answers vary by header fields, only the names of these fields."""

    headers: Headers
    body: bytes
    version: str
    kept_at: float  # monotonic seconds, less the age that the answer had on arrival
    lifetime: float | None = None  # seconds for which the model says that it is fresh
    latest: float = inf  # seconds of age from which it may not be given
    vary: tuple[bytes, ...] = ()


class Store:
    """Answers of one route, bounded by number and bytes; the least recently used is removed first.

    A reload keeps the store. `max_age` is in seconds.
    """

    def __init__(self, *, entries: int, bytes_: int, max_age: float) -> None:
        self.max_age = max_age
        self.secret = token_bytes(32)
        self._entries = entries
        self._lru: LRUCache[bytes, Entry] = LRUCache(bytes_, getsizeof=lambda entry: len(entry.body) + OVERHEAD)

    def __repr__(self) -> str:
        return f"<Store {len(self._lru)}/{self._entries} answers, {int(self._lru.currsize)}/{int(self._lru.maxsize)} bytes>"

    def __len__(self) -> int:
        return len(self._lru)

    @property
    def size(self) -> int:
        """Bytes in use."""
        return int(self._lru.currsize)

    def get(self, key: bytes, now: float) -> Entry | None:
        """The entry of a key; None if there is none or it is too old. `now`: monotonic seconds."""
        entry = self._lru.get(key)
        if entry is not None and now - entry.kept_at >= min(self.max_age, entry.latest):
            del self._lru[key]
            return None
        return entry

    def put(self, key: bytes, entry: Entry) -> None:
        """Keep an entry. One larger than a tenth of the store is not kept: it would remove too many others."""
        if (len(entry.body) + OVERHEAD) * 10 > self._lru.maxsize:
            return
        self._lru.pop(key, None)
        while len(self._lru) >= self._entries:
            self._lru.popitem()
        self._lru[key] = entry


class Cached:
    """The cached rung, and the hook that stores the model's own answers."""

    source: Source = "cached"
    remote = False
    reads_input = True
    version = ""

    def __init__(
        self,
        store: Store,
        *,
        route: str,
        version: str,
        contract: str,
        key: Sequence[Callable[[object], object]] | None,
        scope: frozenset[bytes],
        read: Callable[[Headers, bytes], object],
    ) -> None:
        """`contract`: digest of the route's contract. `key`: readers of the fields in the key; None: the whole body."""
        self.store = store
        self._about = json.dumps([route, version, contract]).encode()
        self._fields = key
        self._scope = scope
        self._read = read

    def ask(self, permit: Permit, above: Closed | None, now: float) -> Answer | Closed:  # noqa: ARG002 — a Rung
        """The kept answer with its age; Closed with the reason `miss` if there is none that may be given."""
        key = self._key(permit)
        entry = self.store.get(key, now) if key is not None else None
        if key is not None and entry is not None and entry.vary:
            entry = self.store.get(self._variant(key, entry.vary, permit), now)
        if entry is None:
            return Closed("miss")
        age = now - entry.kept_at
        lifetime = self.store.max_age if entry.lifetime is None else entry.lifetime
        if not accepts(wishes(combined(permit.head.headers)), age, lifetime):
            return Closed("miss")
        headers = [*entry.headers, (b"age", b"%d" % age)]
        return Answer(200, headers, entry.body, document=self._read(entry.headers, entry.body), version=entry.version)

    def remember(self, permit: Permit, answer: Answer, now: float, version: str) -> None:
        """Keep an answer of the model itself that the contract allowed. Answers of lower rungs are never kept."""
        if answer.status != 200 or not answer.complete:
            return
        law = terms(answer.headers)
        key = self._key(permit)
        if key is None or law is None or not may_keep(wishes(combined(permit.head.headers))):
            return
        headers = [pair for pair in answer.headers if pair[0] in KEPT]
        if law.vary:
            self.store.put(key, Entry([], b"", "", now, vary=law.vary))
            key = self._variant(key, law.vary, permit)
        self.store.put(key, Entry(headers, answer.body, version, now - law.age, law.lifetime, law.latest))

    def _variant(self, key: bytes, names: tuple[bytes, ...], permit: Permit) -> bytes:
        """The key of an answer that varies by `names`: by the client's fields and by the forwarded ones (RFC 9111 §4.1)."""
        sent, forwarded = combined(permit.head.headers), combined(permit.forward)
        digest = blake2b(key, key=self.store.secret, digest_size=32)
        for name in names:
            for fields in (sent, forwarded):
                value = fields.get(name)
                digest.update(b"-" if value is None else b"%d:%b" % (len(value), value))
        return digest.digest()

    def _key(self, permit: Permit) -> bytes | None:
        """The digest that equal requests share; None for a request that may not use the store."""
        if permit.body is STREAM or (permit.rows is not None and permit.rows != 1):
            return None
        if permit.message is not None and permit.message.once:
            return None
        material: list[bytes] = [self._about, permit.head.method, permit.head.target]
        for name, value in permit.head.headers:
            if name in self._scope:
                material += (name, value)
            elif name in CREDENTIALS:
                return None
        if self._fields is None:
            material.append(permit.body)
        else:
            chosen = [read(permit.document) for read in self._fields]
            material.append(json.dumps(chosen, sort_keys=True).encode())
        digest = blake2b(key=self.store.secret, digest_size=32)
        for part in material:
            digest.update(b"%d:%b" % (len(part), part))
        return digest.digest()
