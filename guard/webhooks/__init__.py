"""The formats in which webhooks take alerts: one file each, one line here. Pure; `guard.control.incidents` sends them."""

from typing import Final

from guard.webhooks.alertmanager import Alertmanager
from guard.webhooks.json import Json
from guard.webhooks.values import Format

_ALL: Final[tuple[Format, ...]] = (
    Json(),
    Alertmanager(),
)

FORMATS: Final[dict[str, Format]] = {one.name: one for one in _ALL}
"""By the name that a policy uses."""
DEFAULT: Final = Json.name
"""The format of a webhook that names none."""
