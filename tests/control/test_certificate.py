"""The certificate of a listener: whatever its files do, the loop goes on and the old one stays."""

import asyncio
import os
import ssl
from pathlib import Path

import pytest
import trustme

from guard.control import watched_files
from guard.control.certificate import ServerCertificate, in_memory
from guard.control.watched_files import FileHung, WatchedFiles
from guard.events import CertificateRefused, Event, FileReadable, FileUnreadable
from tests.control.test_watched_files import let_go


def written(authority: trustme.CA, folder: Path) -> tuple[Path, Path]:
    issued = authority.issue_cert("localhost")
    issued.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    issued.private_key_pem.write_to_path(folder / "key.pem")
    return folder / "cert.pem", folder / "key.pem"


def shown(context: ssl.SSLContext, authority: trustme.CA) -> bytes:
    """The certificate that a handshake shows, in memory."""
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    ends = [ssl.MemoryBIO() for _ in range(4)]
    client = trusting.wrap_bio(ends[0], ends[1], server_hostname="localhost")
    server = context.wrap_bio(ends[2], ends[3], server_side=True)
    for _ in range(4):
        for side, out, to in ((client, ends[1], ends[2]), (server, ends[3], ends[0])):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                pass
            to.write(out.read())
    certificate = client.getpeercert(binary_form=True)
    assert certificate
    return certificate


def test_it_is_renewed_under_its_listener_and_a_half_rotated_pair_changes_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        authority, events = trustme.CA(), list[Event]()
        certificate = ServerCertificate(WatchedFiles(events.append), events.append)
        cert, key = written(authority, tmp_path)
        await certificate.load(cert, key)
        assert certificate.context is not None
        first = shown(certificate.context, authority)
        written(authority, tmp_path)
        await certificate.renew(cert, key)
        second = shown(certificate.context, authority)
        assert (first != second, events) == (True, [])
        half = tmp_path / "half"
        half.mkdir()
        other, _ = written(authority, half)
        await certificate.renew(other, key)
        assert shown(certificate.context, authority) == second
        cert.unlink()
        await certificate.renew(cert, key)
        assert shown(certificate.context, authority) == second
        written(authority, tmp_path)
        await certificate.renew(cert, key)
        assert shown(certificate.context, authority) not in {first, second}
        kinds = [type(event) for event in events]
        assert kinds == [FileUnreadable, CertificateRefused, FileUnreadable, CertificateRefused, FileReadable]
        assert str(tmp_path / "key.pem") not in str(events)

    asyncio.run(main())


def test_a_file_that_hangs_is_refused_at_its_deadline_and_the_loop_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.setattr(watched_files.WatchedFiles.read_with_deadline, "__defaults__", (0.05,))

    async def main() -> None:
        authority, events = trustme.CA(), list[Event]()
        certificate = ServerCertificate(WatchedFiles(events.append), events.append)
        cert, key = written(authority, tmp_path)
        await certificate.load(cert, key)
        os.mkfifo(tmp_path / "pipe")
        await certificate.renew(tmp_path / "pipe", key)
        assert events == [FileUnreadable(file="certificate", why="hung"), CertificateRefused(why="reading the file hangs")]
        with pytest.raises(FileHung):
            await certificate.load(tmp_path / "pipe", key)
        let_go(tmp_path / "pipe")

    asyncio.run(main())


def test_a_file_in_memory_leaves_no_descriptor_behind() -> None:
    before = set(os.listdir("/proc/self/fd"))
    with in_memory(b"x" * 100_000) as path:
        assert path.read_bytes() == b"x" * 100_000
    assert len(set(os.listdir("/proc/self/fd")) - before) == 0
