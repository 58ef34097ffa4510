"""Connections to model servers, as the policy declares them."""

from guard.control.tls import client_context
from guard.policy.ladder import TargetTls
from guard.policy.scalars import Origin
from guard.proxy.budget import Budget
from guard.proxy.pool import Pool


def upstream_pool(origin: Origin, declared: TargetTls | None, age: float, budget: Budget) -> Pool:
    """A pool for one origin. Raises OSError for its certificates."""
    declared = declared or TargetTls()
    context = None
    if origin.scheme == "https":
        files = (file.path if file is not None else None for file in (declared.ca, declared.cert, declared.key))
        context = client_context(*files)
    return Pool(
        host=origin.host,
        port=origin.port,
        path=origin.socket or None,
        tls=context,
        server_name=(declared.server_name or origin.host) if context is not None else None,
        max_age=age,
        budget=budget,
    )
