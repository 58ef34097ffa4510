"""Pages for people in Markdown (GitHub's, for its tables), safe whatever the policy's authors wrote.

What they wrote becomes a code span where every character of it is harmless there, and is escaped character by character
elsewhere; what cannot be seen, line ends and characters that turn the writing direction among it, is shown as its number.
"""

import re
from typing import Final

_HARMLESS: Final = re.compile(r"[\w.,:;/*+=@?!#%()\[\]{}'\"~^$€-]+(?: [\w.,:;/*+=@?!#%()\[\]{}'\"~^$€-]+)*\Z")
"""A text in a code span that also fits a table cell: no backtick, bar, backslash, angle, ampersand or outer space."""
_ESCAPES: Final = str.maketrans(
    {item: f"\\{item}" for item in "*_[]~#!"} | {item: f"&#{ord(item)};" for item in "\\`|<>&$@"}
)
_STRUCTURE: Final = re.compile(r"(?i)(?<=www)\.|:(?=//)|\A[-+=]|(?<=\A\d)[.)]|(?<=\d)[.)](?= )")
"""Characters that would turn a bare address into a link, or the beginning of a line into a list."""
NONE: Final = "–"


def code(text: str) -> str:
    """A name, where it reads best."""
    return f"`{text}`" if _HARMLESS.match(text) else prose(text)


def prose(text: str) -> str:
    """Words of somebody else, on one line."""
    return _STRUCTURE.sub(lambda match: f"&#{ord(match[0])};", seen(text, "").translate(_ESCAPES)) or NONE


def seen(text: str, allowed: str = "\n") -> str:
    """A text with the numbers of its unprintable characters, except those in `allowed`."""
    return "".join(
        character if character.isprintable() or character in allowed else f"\\u{ord(character):04x}" for character in text
    )
