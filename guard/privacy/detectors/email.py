"""Detects e-mail addresses."""

import re
from typing import Final

from guard.privacy.detectors.values import Detector

_EMAIL: Final = re.compile(
    r"(?<![\w.!#$%&'*+/=?^`{|}~-])[\w.!#$&'*+/=?^`{|}~-]{1,64}+(?:@|%40)"
    r"(?:\w(?:[\w-]{0,61}\w)?\.){1,8}+(?:xn--[\w-]{1,58}\w|[^\W\d_]{2,24})(?![\w-])"
)

DETECTOR: Final = Detector("email", _EMAIL, hint=re.compile("[@%]"))
