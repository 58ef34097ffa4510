"""Detects credentials: JWTs, keys of well-known services, private keys, passwords in words and in URLs."""

import re
from typing import Final

from guard.privacy.detectors.values import Detector

_TOKEN: Final = re.compile(
    r"(?<![A-Za-z0-9_-])(?:"
    r"eyJ[A-Za-z0-9_-]{8,4096}+\.[A-Za-z0-9_-]{4,8192}+\.[A-Za-z0-9_-]{0,4096}+"  # JWT (RFC 7519)
    r"|(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])"
    r"|gh[oprsu]_[A-Za-z0-9]{20,255}+|github_pat_[A-Za-z0-9_]{20,255}+"
    r"|xox[abeoprs]-[A-Za-z0-9-]{10,255}+"
    r"|sk-[A-Za-z0-9_-]{16,255}+|[rsp]k_(?:live|test)_[A-Za-z0-9]{10,255}+"
    r"|AIza[A-Za-z0-9_-]{30,64}+"
    r"|(?i:bearer|basic)[ \t]{1,8}+[A-Za-z0-9._~+/-]{12,8192}+={0,2}"
    r"|(?i:password|passwd|pwd|secret|api[_-]?key|token)[ \t]{0,4}+[=:][ \t]{0,4}+[^\s,;&\"']{6,256}+"
    r")"
    r"|-----BEGIN [A-Z ]{0,32}PRIVATE KEY-----(?:[A-Za-z0-9+/=\s:,]|-(?!-)){0,16384}+"
    r"(?:-----END [A-Z ]{0,32}PRIVATE KEY-----)?"
    r"|(?<=://)[^\s/:@]{1,128}+:[^\s/@]{1,256}+(?=@)"
)

DETECTOR: Final = Detector("token", _TOKEN, hint=re.compile("[-_:=eEAb]"))
