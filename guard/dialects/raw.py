"""What a passthrough route speaks: nothing that guard understands."""

from guard.dialects.common import Common
from guard.proxy.values import Answer


class Raw(Common):
    """A Dialect: whatever the server answers is the answer."""

    name = "raw"

    def errs(self, answer: Answer) -> bool:
        """Any final status is passed on."""
        del answer
        return False
