"""Makes the console of a policy."""

from collections.abc import Callable

from guard.control.console import files
from guard.control.console.access import Browsers, Proxy
from guard.control.console.application import Console
from guard.control.console.sessions import Sessions
from guard.control.keys import Keys
from guard.policy.compiled import CompiledPlan
from guard.policy.loading import Loaded
from guard.policy.models import Admin


def browsers(admin: Admin, keys: Keys, *, secure: bool) -> Browsers:
    """The people who may use a browser, as the policy declares it."""
    declared = admin.proxy
    proxy = None
    if declared is not None:
        names = declared.user.encode(), declared.groups.encode()
        proxy = Proxy(declared.from_, *names, frozenset(declared.operators))
    return Browsers(Sessions(keys.holder), proxy, secure=secure)


def console(who: Browsers | None, in_force: Callable[[], tuple[Loaded, CompiledPlan]]) -> Console | None:
    """The page; None where the console is off. Raises OSError."""
    return None if who is None else Console(files.read(), who, lambda: in_force()[0].policy.service)
