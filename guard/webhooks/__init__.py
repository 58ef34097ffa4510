"""Webhook formats: an alert as a receiver takes it. One file each, and one line here.

Here: the URL, headers and body of one alert, and which answers mean that it arrived. Pure.
Not here: when an alert is sent, and who sends it: `guard.control.incidents`.
"""

from typing import Final

from guard.webhooks.alertmanager import Alertmanager
from guard.webhooks.json import Json
from guard.webhooks.values import Format

_ALL: Final[tuple[Format, ...]] = (
    Json(),
    Alertmanager(),
)

FORMATS: Final[dict[str, Format]] = {item.name: item for item in _ALL}
"""Formats by the name that a policy uses."""
DEFAULT: Final = Json.name
"""The format of a webhook that names none."""
