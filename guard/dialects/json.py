"""Plain JSON over HTTP: the dialect of a custom model server."""

from guard.dialects.common import Common


class Json(Common):
    """The Dialect of plain JSON."""

    name = "json"
