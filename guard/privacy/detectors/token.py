"""Detects credentials: keys of providers (`providers.py`), JWTs, private keys, and secrets that a word beside them names.

Where a secret is quoted, as in JSON, only what is in the quotes is replaced; otherwise the word that names it is too.
"""

import re
import string
from typing import Final

from guard.privacy.detectors.providers import PROVIDERS
from guard.privacy.detectors.signs import FOREIGN, RUN, SECRET_WORD
from guard.privacy.detectors.values import Detector, Span

_JWT: Final = (  # RFC 7519; of five parts RFC 7516
    r"e(?<![A-Za-z0-9-]e)yJ[A-Za-z0-9_-]{8,1024}+\.[A-Za-z0-9_-]{4,8192}+(?:\.[A-Za-z0-9_-]{0,8192}+){1,3}"
)
_KEY: Final = re.compile(f"{'|'.join(PROVIDERS.values())}|{_JWT}")
_RUN: Final = re.compile(r"[A-Za-z0-9_\-+/=.~:]{16,}+")
_NAME: Final = re.compile(
    r"(?:pass(?:word|wd|phrase|code)|pwd|passwort|kennwort|senha|wachtwoord|\b_auth|contrase[nñ]a"
    r"|mot[_ -]de[_ -]passe|secret"
    r"|(?:api|access|account|auth|private|client|service|signing|encryption|master|subscription|db|database|storage)[_ -]?"
    r"(?:key|pass|token)|signature|token|credentials?)(?:[_-]?(?:access[_-]?key|key|id|value|string|token))?\Z"
)
_BARE: Final = r"[^\s,;&\"'<>{}()\[\]|\\]{6,256}+"
_NAMED: Final = re.compile(
    r"[=:](?:(?<=:)(?<!/:)//(?P<user>[^\s/:@\"'<>]{0,128}+:[^\s/@\"'<>]{1,256}+)(?=@)"
    r"|(?<=[A-Za-z\"'\])` \t][=:])(?:>|=|==)?[ \t]{0,4}(?:\"(?P<double>[^\"\n]{4,512}+)(?=\")"
    r"|'(?P<single>[^'\n]{4,512}+)(?=')"
    rf"|(?P<bare>{_BARE})))"
)
_BODY: Final = r"[A-Za-z0-9+/=\s:,.]"
"""Characters of a private key's body. Repeats of one character may be possessive; Python before 3.11.5 ends possessive
repeats of a group too late.
"""
_SAID: Final = re.compile(
    rf"--(?i:password|token|api-key|secret)[ =](?P<option>{_BARE})"
    rf"|-u[ =]?[\"']?[^\s:\"']{{1,128}}:(?P<login>{_BARE})"
    rf"|(?:p|P)(?i:assword|assphrase|asswort)[ ](?:(?i:is|was|ist)[ ])?(?P<spoken>{_BARE})"
    r"|(?:t|T)(?i:oken)[ \t]{1,8}+(?P<after>[A-Za-z0-9._~+/-]{20,8192}+)"
    rf"|(?:{FOREIGN})[ \t]{{0,4}}[:=][ \t]{{0,4}}[\"']?(?P<foreign>{_BARE})"
    r"|<(?i:password|passwd|secret|token|api_?key)>(?P<element>[^<\s]{4,256}+)"
    r"|(?:b(?i:earer|asic)|B(?i:earer|asic))[ \t]{1,8}+[A-Za-z0-9._~+/-]{12,8192}+={0,2}"
    rf"|-----BEGIN [A-Z0-9 ]{{0,32}}PRIVATE KEY(?: BLOCK)?-----{_BODY}{{0,16384}}+(?:-{_BODY}{{1,16384}}+){{0,256}}"
    r"(?:-----END [A-Z0-9 ]{0,32}PRIVATE KEY(?: BLOCK)?-----)?"
)
_ENDINGS: Final = frozenset(
    (
        "ord",
        "swd",
        "ase",
        "ode",
        "pwd",
        "ort",
        "nha",
        "uth",
        "eña",
        "ena",
        "sse",
        "ret",
        "key",
        "ass",
        "ken",
        "ure",
        "ial",
        "als",
        "lue",
        "ing",
        "_id",
        "-id",
        "tid",
        "yid",
        "nid",
        "did",
        "sid",
    )
)
"""The last letters of names, which rule out most other words quickly."""
_MIDDLES: Final = "-Q.:"
"""Characters that begin an alternative which recognizes a key by its middle."""
_PARTS: Final = frozenset(string.ascii_letters + string.digits + "_~.-")
_BEFORE_SIGN: Final = "\"'])` \t"
_LAST: Final = frozenset("adeghlnstyADEGHLNSTY\"'])` \t")
"""Characters that may stand directly before the sign: the last letter of a name, or a closing quote or bracket."""
_LONGEST_NAME: Final = 48
_DIGITS: Final = frozenset(string.digits)
_PLACEHOLDER: Final = re.compile(
    r"(?i:null|none|true|false|undefined|required|optional|string|redacted|changeme|example|\[\w+\]|\*+|x+|\.+"
    r"|\$\{?\w+\}?|\{\{.*|<.*|%\w+%|os\.environ.*|process\.env.*)\Z"
)


def _key(match: re.Match[str]) -> Span | None:
    text, begin = match.string, match.start()
    if text[begin] in _MIDDLES:
        while begin > 0 and begin > match.start() - _LONGEST_NAME and text[begin - 1] in _PARTS:
            begin -= 1
        return begin, match.end()
    previous = text[begin - 1 : begin]
    return None if previous.isascii() and previous.isalnum() else match.span()


def _named(match: re.Match[str]) -> Span | None:
    """The value after a name that marks it as secret, without its quotes."""
    if match["user"] is not None:
        return match.span("user")
    kind = match.lastgroup or ""
    if _PLACEHOLDER.match(match[kind]):
        return None
    text, sign = match.string, match.start()
    if text[sign - 1] not in _LAST:
        return None
    name = text[max(0, sign - _LONGEST_NAME) : sign].rstrip(_BEFORE_SIGN).lower()
    if name[-3:] not in _ENDINGS:
        return None
    name_match = _NAME.search(name, max(0, len(name) - _LONGEST_NAME // 2))
    if name_match is None:
        return None
    begin = max(0, sign - _LONGEST_NAME) + name_match.start()
    return match.span(kind) if kind != "bare" or text[begin + len(name_match[0])] in "\"'])" else (begin, match.end())


def _named_secret(match: re.Match[str]) -> Span | None:
    kind = match.lastgroup
    if kind is None:
        return match.span()
    if kind in ("spoken", "after") and _DIGITS.isdisjoint(match[kind]):
        return None
    return None if _PLACEHOLDER.match(match[kind]) else match.span(kind)


DETECTOR: Final = Detector(
    "token", _KEY, hint=re.compile("[0-9A-Za-z]{2}"), extent=_key, needs=RUN, within=_RUN, also=(
        Detector("token", _NAMED, hint=re.compile("[:=]"), extent=_named, needs=SECRET_WORD),
        Detector("token", _SAID, hint=re.compile("[-<bBpPtT密口пПパ비סκ]"), extent=_named_secret, needs=SECRET_WORD),
    ),
)  # fmt: skip
