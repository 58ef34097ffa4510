"""Pages for people in Markdown (GitHub's, for its tables), safe whatever the policy's authors wrote.

What they wrote becomes a code span where every character of it is harmless there, and is escaped character by character
elsewhere; what cannot be seen, line ends and characters that turn the writing direction among it, is shown as its number.
"""

import re
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
    return _STRUCTURE.sub(lambda found: f"&#{ord(found[0])};", seen(text, "").translate(_ESCAPES)) or NONE


def seen(text: str, kept: str = "\n") -> str:
    """What cannot be printed as its number, but for `kept`."""
    return "".join(one if one.isprintable() or one in kept else f"\\u{ord(one):04x}" for one in text)
