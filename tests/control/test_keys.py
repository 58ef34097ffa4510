"""Who may operate: the token file as it changes, is mistyped, vanishes and hangs. Revocation wins."""

import asyncio
import threading
from pathlib import Path

import pytest

from guard.control import keys
from guard.control.keys import GRACE, Keys
from guard.control.secrets import SecretFile, secret_files
from guard.control.tokens import MOST_LINES, Identity, Tokens, line
from guard.control.worker import ABANDONED
from guard.events import Event, TokensRead, TokensRefused, TokensUnreadable, TokensWithdrawn
from guard.policy.loading import load

OTTO, VERA = line("otto", "operator", "s1"), line("vera", "viewer", "s2")


class File:
    """A token file, and a clock."""

    def __init__(self, content: str | None) -> None:
        self.content, self.now = content, 0.0
        self.events: list[Event] = []
        self.keys = Keys(self.read, None, self.events.append, lambda: self.now)

    def read(self) -> bytes:
        if self.content is None:
            raise FileNotFoundError
        return self.content.encode()

    def look(self, content: str | None, after: float = 1.0) -> list[Event]:
        """The file holds this now; what is published of it."""
        self.content, self.now = content, self.now + after
        before = len(self.events)
        asyncio.run(self.keys.reload_if_changed())
        return self.events[before:]

    def who(self, secret: str) -> str | None:
        found = self.keys.identify(secret)
        return found.name if found is not None else None


def test_a_changed_file_is_in_force_whole() -> None:
    file = File(None)
    assert file.look(f"{OTTO}\n{VERA}\n") == [TokensRead(count=2)]
    assert file.keys.identify("s1") == Identity("otto", "operator")
    assert file.look(f"{OTTO}\n{VERA}\n") == []
    assert file.look(f"# revoked\n{VERA}\n") == [TokensRead(count=1)]
    assert file.who("s1") is None
    assert file.look("") == [TokensRead(count=0)]
    assert file.who("s2") is None


@pytest.mark.parametrize(
    "typo", ["otto operator sha256:12", "otto admin sha256:" + "0" * 64, "otto", "otto operator " + "0" * 64]
)
def test_a_mistyped_line_revokes_what_it_was_to_replace(typo: str) -> None:
    file = File(None)
    file.look(f"{OTTO}\n{VERA}\n")
    assert file.look(f"{VERA}\n{typo}\n") == [TokensRead(count=1), TokensRefused(lines=(2,))]
    assert file.who("s1") is None, "nothing of the content before remains"
    assert file.look(f"{OTTO}\n{typo}\n{VERA}\n") == [TokensRead(count=1), TokensRefused(lines=(2,))]
    assert (file.who("s1"), file.who("s2")) == (None, "vera"), "an older entry of the name is not valid either"
    assert file.keys.status() == {"count": 1, "readable": True, "refused_lines": [2]}
    assert file.keys.troubled
    assert file.look(f"{OTTO}\n{VERA}\n") == [TokensRead(count=2)]
    assert not file.keys.troubled


def test_a_file_that_is_gone_revokes_everything_after_a_grace() -> None:
    file = File(None)
    file.look(f"{OTTO}\n")
    assert file.look(None) == [TokensUnreadable(why="FileNotFoundError", grace=GRACE)]
    assert file.look(None, GRACE / 2) == []
    assert file.who("s1") == "otto", "an editor that replaces it in two steps locks nobody out"
    assert file.look(None, GRACE / 2) == [TokensWithdrawn()]
    assert file.who("s1") is None
    assert file.look(None, GRACE) == []
    assert file.look(f"{OTTO}\n") == [TokensRead(count=1)]
    assert file.who("s1") == "otto"
    file.look(None)
    assert file.look(f"{OTTO}\n") == [TokensRead(count=1)], "the same content ends the trouble too"


def test_without_a_last_content_nobody_has_access() -> None:
    file = File(None)
    assert file.look(None) == [TokensUnreadable(why="FileNotFoundError", grace=0.0)]
    assert file.look(None, GRACE) == []


def test_bytes_that_are_no_text_spoil_their_line_only() -> None:
    file = File(None)
    content = b"otto operator sha256:\xff\xfe\n" + VERA.encode()
    file.keys.take(content)
    assert (file.who("s2"), file.events[-1]) == ("vera", TokensRefused(lines=(1,)))


def test_lines_beyond_a_bound_are_refused() -> None:
    tokens = Tokens("\n".join(line(f"n{number}", "viewer", str(number)) for number in range(MOST_LINES + 2)))
    assert (len(tokens), tokens.unreadable) == (MOST_LINES, (MOST_LINES + 1, MOST_LINES + 2))


def test_a_mount_that_hangs_counts_as_unreadable_and_holds_few_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "WITHIN", 0.05)
    release = threading.Event()
    reads = 0

    def read() -> bytes:
        nonlocal reads
        reads += 1
        if reads > 1:
            release.wait()
        return OTTO.encode()

    async def main() -> None:
        events: list[Event] = []
        followed = Keys(read, None, events.append)
        await followed.reload_if_changed()
        for _ in range(ABANDONED + 4):
            await followed.reload_if_changed()
        assert reads == 1 + ABANDONED
        assert events[1:] == [TokensUnreadable(why="TimeoutError", grace=GRACE)]
        release.set()
        await asyncio.sleep(0.1)
        await followed.reload_if_changed()
        assert events[-1] == TokensRead(count=1)

    asyncio.run(main())


POLICY = """version: guard/v1
service: s
upstream: {url: "https://127.0.0.1:1", tls: {cert: c.pem, key: up.key}}
listen: {tls: {cert: c.pem, key: data.key}}
admin: {tokens: {file: tokens}, tls: {cert: c.pem, key: admin.key}}
privacy: {hash_key: {file: hash.key}}
routes:
  POST /p:
    output: {label: {enum: [a]}}
    fallback: [previous: {url: "https://127.0.0.1:2", tls: {cert: c.pem, key: previous.key}}]
"""


def test_every_file_that_holds_a_secret_is_known_by_its_key(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(POLICY)
    files = {
        file.key: (file.path.name, file.private) for file in secret_files(load(tmp_path / "p.yaml", environ={}).policy)
    }
    assert {name for name, _ in files.values()} == {"up.key", "data.key", "tokens", "admin.key", "hash.key", "previous.key"}
    assert files["listen.tls.key"] == ("data.key", True)
    assert files["admin.tokens"] == ("tokens", False), "a token file holds digests only"


@pytest.mark.parametrize(
    ("mode", "private", "why"),
    [(0o600, True, None), (0o640, True, None), (0o644, True, "read"), (0o644, False, None), (0o660, False, "group"), (0o622, True, "write"), (0o666, False, "write")],
)  # fmt: skip
def test_a_secret_that_others_reach_is_named(tmp_path: Path, mode: int, private: bool, why: str | None) -> None:
    path = tmp_path / "secret"
    path.write_text("x")
    path.chmod(mode)
    exposure = SecretFile(("k",), path, private).exposure()
    assert exposure is None if why is None else why in str(exposure)
    assert SecretFile(("k",), tmp_path / "absent", private).exposure() is None
