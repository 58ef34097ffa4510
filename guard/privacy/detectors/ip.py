"""Detects IP addresses of both versions."""

import re
from ipaddress import ip_address
from typing import Final

from guard.privacy.detectors.values import Detector, ascii_of

_IP: Final = re.compile(
    r"(?<![\w.:])(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?:\.\d{1,3}){0,3})(?![\w:]|\.\d)"
)


def _is_ip(text: str) -> bool:
    if sum(one.isalnum() for one in text) < 2:
        return False
    try:
        ip_address(ascii_of(text))
    except ValueError:
        return False
    return True


DETECTOR: Final = Detector("ip", _IP, _is_ip, re.compile("[.:]"))
