"""Keeps a text that is JSON, such as the arguments of a tool call, valid JSON when pieces of it are replaced."""

import json
import re
from typing import Final

Piece = tuple[int, int, str]

_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*+"|[^\s"{}\[\],:]+')
"""A string, or a number or word, of a JSON text."""


def in_json(text: str, pieces: list[Piece]) -> list[Piece]:
    """The pieces, so that replacing them leaves JSON valid: within strings, and numbers as strings.

    The same pieces where the text is no JSON document.
    """
    if text.lstrip()[:1] not in ("{", "[") or not _is_json(text):
        return pieces
    fixed: list[Piece] = []
    waiting = iter(pieces)
    piece = next(waiting, None)
    for token in _TOKEN.finditer(text):
        begin, end = token.span()
        while piece is not None and piece[1] <= begin:
            piece = next(waiting, None)
        first = True
        while piece is not None and piece[0] < end:
            if text[begin] == '"':
                fixed.append((max(piece[0], begin + 1), min(piece[1], end - 1), piece[2]))
            elif first:
                fixed.append((begin, end, f'"{piece[2]}"'))
            first = False
            if piece[1] > end:
                break
            piece = next(waiting, None)
    return fixed


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
