"""Decides by one linear look which detectors a text can concern at all: most texts concern none.

A text is looked at as bytes, of which those that say nothing are deleted by table: a clean text of 300 characters takes 2
µs.
"""

import re
import string
from typing import Final

AT: Final = 1
"""An e-mail address needs an @, or one in brackets."""
SEVEN_DIGITS: Final = 2
TWELVE_DIGITS: Final = 4
ACCOUNT: Final = 8
"""Two letters and two digits."""
DOTS: Final = 16
"""Four digits and three dots."""
COLONS: Final = 32
"""Two colons."""
RUN: Final = 64
"""Sixteen characters of which a key could be made, in one piece."""
SECRET_WORD: Final = 128
"""A word that announces a secret."""

_DIGITS: Final = string.digits.encode()
_QUIET: Final = bytes(set(range(256)) - set(b"@:.[({<0123456789"))
_NOT_DIGITS: Final = bytes(set(range(256)) - set(_DIGITS))
_LETTERS: Final = string.ascii_letters.encode()
_UPPER: Final = string.ascii_uppercase.encode()
_SHAPES: Final = bytes(65 if c in _UPPER else 97 if c in _LETTERS else 48 if c in _DIGITS else c for c in range(256))
_ACCOUNTS: Final = (b"AA00", b"aa00", b"AA 00", b"Aa00", b"aA00")
_KEY_CHARACTERS: Final = bytes(120 if c in _LETTERS + _DIGITS + b"_-+/=.~%|" else 32 for c in range(256))
_LONG: Final = b"x" * 16
FOREIGN: Final = "密码|口令|密钥|密碼|пароль|Пароль|パスワード|비밀번호|סיסמה|κωδικός"
"""Words for a password in other scripts."""
_FOREIGN: Final = re.compile(FOREIGN)
_BRACKETS: Final = re.compile(rb"at ?[\])}>]")


def signs_of(text: str) -> int:
    """The signs that a text shows, added up."""
    raw = text.encode("utf-8", "surrogatepass")
    loud = raw.translate(None, _QUIET)
    low = raw.lower()
    signs = RUN if _LONG in raw.translate(_KEY_CHARACTERS) else 0
    if (
        b"pass" in low
        or b"pwd" in low
        or b"secret" in low
        or b"key" in low
        or b"token" in low
        or b"cred" in low
        or b"signature" in low
        or b"contrase" in low
        or b"mot" in low
        or b"kennwort" in low
        or b"senha" in low
        or b"wachtwoord" in low
        or b"auth" in low
        or b"-u" in low
        or b"bearer" in low
        or b"basic" in low
        or b"://" in low
        or (len(raw) > len(text) and _FOREIGN.search(text))
    ):
        signs |= SECRET_WORD
    if not loud:
        return signs
    if b"@" in loud or _BRACKETS.search(low):
        signs |= AT
    digits = len(loud.translate(None, _NOT_DIGITS))
    if loud.count(b":") > 1:
        signs |= COLONS
    if digits < 2:
        return signs
    shapes = raw.translate(_SHAPES)
    for shape in _ACCOUNTS:
        if shape in shapes:
            signs |= ACCOUNT
    if digits > 3 and loud.count(b".") > 2:
        signs |= DOTS
    if digits > 6:
        signs |= SEVEN_DIGITS
    return signs | TWELVE_DIGITS if digits > 11 else signs
