"""How families of model servers speak: one file each, one line here."""

from typing import Final

from guard.dialects.json import Json
from guard.dialects.raw import Raw
from guard.proxy.values import Dialect

DIALECTS: Final[dict[str, Dialect]] = {
    "json": Json(),
}
"""By the name that a policy uses."""

RAW: Final[Dialect] = Raw()
"""Of passthrough routes; no policy names it."""
