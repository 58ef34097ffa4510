"""Pages for people in Markdown (GitHub's, for its tables), safe whatever the policy's authors wrote.

What they wrote becomes a code span where every character of it is harmless there, and is escaped character by character
elsewhere; what cannot be seen, line ends and characters that turn the writing direction among it, is shown as its number.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

_HARMLESS: Final = re.compile(r"[\w.,:;/*+=@?!#%()\[\]{}'\"~^$€-]+(?: [\w.,:;/*+=@?!#%()\[\]{}'\"~^$€-]+)*\Z")
"""In a code span, also in a cell of a table: no backtick, bar, backslash, angle or ampersand, no space at an end."""
_ESCAPES: Final = str.maketrans({one: f"\\{one}" for one in "*_[]~#!"} | {one: f"&#{ord(one)};" for one in "\\`|<>&$@"})
_STRUCTURE: Final = re.compile(r"(?i)(?<=www)\.|:(?=//)|\A[-+=]|(?<=\A\d)[.)]|(?<=\d)[.)](?= )")
"""What would make a link of a bare address, or a list of a line that begins so."""
NONE: Final = "–"


def code(text: str) -> str:
    """A name, where it reads best."""
    return f"`{text}`" if _HARMLESS.match(text) else prose(text)


def prose(text: str) -> str:
    """Words of somebody else, on one line."""
    seen = "".join(one if one.isprintable() else f"\\u{ord(one):04x}" for one in text)
    return _STRUCTURE.sub(lambda found: f"&#{ord(found[0])};", seen.translate(_ESCAPES)) or NONE


def section(title: str, items: Iterable[str], empty: str = "") -> Iterator[str]:
    """A list under a heading; `empty` where there is nothing to list."""
    yield from ("", title if title.startswith("#") else f"## {title}", "")
    listed = [f"- {item}" for item in items]
    yield from listed or [empty]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Rows of cells that are Markdown already."""
    yield f"| {' | '.join(head)} |"
    yield f"|{'|'.join('---' for _ in head)}|"
    yield from (f"| {' | '.join(row)} |" for row in rows)
