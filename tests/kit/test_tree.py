"""The digest of a part: what counts, and what has none."""

import hashlib
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from guard.kit.release.tree import NoDigest, digest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights.bin").write_bytes(b"w")
    (tmp_path / "model" / "config.json").write_bytes(b"{}")
    return tmp_path


def test_a_folder_is_what_sha256sum_says(folder: Path) -> None:
    (folder / "model" / "a b").mkdir()
    (folder / "model" / "a b" / "é").write_bytes(b"1")
    (folder / "model" / "empty").mkdir()
    command = r"find -L . -type f | sed 's|^\./||' | LC_ALL=C sort | xargs -d '\n' sha256sum | sha256sum"
    told = subprocess.run(command, shell=True, capture_output=True, text=True, check=True, cwd=folder / "model").stdout
    assert digest(folder / "model") == f"sha256:{told.split()[0]}"


def test_names_and_contents_count_and_nothing_else_does(folder: Path) -> None:
    model = folder / "model"
    before = digest(model)
    (model / "empty").mkdir()
    os.utime(model / "weights.bin", (1, 1))
    (model / "weights.bin").chmod(0o600)
    assert digest(model) == before
    (model / "weights.bin").rename(model / "other.bin")
    assert digest(model) != before
    (model / "other.bin").rename(folder / "blob")
    (model / "weights.bin").symlink_to(folder / "blob")
    assert digest(model) == before, "a link counts as the file that it leads to"
    (folder / "current").symlink_to(model)
    assert digest(folder / "current") == before


def test_what_has_no_digest(folder: Path) -> None:
    model = folder / "model"
    hostile: dict[str, Any] = {
        "a symlink to a folder": lambda at: at.symlink_to(model),
        "No such file": lambda at: at.symlink_to("nowhere"),
        "not a regular file": os.mkfifo,
        "Too many levels": lambda at: at.symlink_to(at),
        "a line end in a name": None,
    }
    for why, make in hostile.items():
        at = model / ("x" if make else "x\ny")
        make(at) if make else at.write_bytes(b"")
        with pytest.raises(NoDigest, match=why):
            digest(model)
        at.unlink()
    with pytest.raises(NoDigest, match="No such file"):
        digest(folder / "nowhere")
    (folder / "empty").mkdir()
    with pytest.raises(NoDigest, match="without a file"):
        digest(folder / "empty")
    with pytest.raises(NoDigest, match="not a regular file"):
        digest(Path("/dev/zero"))


def test_a_folder_deeper_than_python_recurses(tmp_path: Path) -> None:
    deep = tmp_path
    for _ in range(1200):
        deep = deep / "d"
        deep.mkdir()
    (deep / "x").write_bytes(b"x")
    assert digest(tmp_path / "d").startswith("sha256:")
    (deep / "x").unlink()
    os.removedirs(deep)  # pytest's own clearing recurses


def test_a_file_that_is_written_meanwhile(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights, real = folder / "model" / "weights.bin", hashlib.file_digest

    def slowly(file: Any, name: str) -> Any:
        weights.write_bytes(b"more than before")
        return real(file, name)

    monkeypatch.setattr(hashlib, "file_digest", slowly)
    with pytest.raises(NoDigest, match="the file changed while guard read it"):
        digest(weights)
