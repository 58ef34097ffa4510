"""The files of the page, read once and held compressed."""

import gzip
import hashlib
from pathlib import Path
from typing import Final, NamedTuple

FOLDER: Final = Path(__file__).parent / "static"
TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}


class StaticFile(NamedTuple):
    """A file of the page."""

    media_type: str
    content: bytes
    compressed: bytes
    etag: str


def read() -> dict[str, StaticFile]:
    """Every file by its name below /console/; the page itself by the empty name. Raises OSError."""
    files = {path.relative_to(FOLDER).as_posix(): path for path in sorted(FOLDER.rglob("*")) if path.suffix in TYPES}
    by_name = {name: _file(path) for name, path in files.items()}
    by_name[""] = by_name["console.html"]
    return by_name


def _file(path: Path) -> StaticFile:
    content = path.read_bytes()
    return StaticFile(
        TYPES[path.suffix], content, gzip.compress(content, 9, mtime=0), f'"{hashlib.sha256(content).hexdigest()[:16]}"'
    )
