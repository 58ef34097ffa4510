"""The control plane: what operators see and order, and what keeps one process alive.

Here: admin API, orders, audit, state folder, reload, listeners of operators and probes, background tasks.
Not here: requests of clients (`guard.proxy`), instruments (`guard.telemetry`), commands (`guard.kit`).
"""
