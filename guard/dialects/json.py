"""Plain JSON over HTTP: the dialect of a model server that somebody wrote."""

from guard.dialects.common import Common


class Json(Common):
    """A Dialect."""

    name = "json"
