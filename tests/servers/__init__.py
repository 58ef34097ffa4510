"""Real servers, written by others, that tests let guard talk to: `rotel` takes OTLP, `prometheus` scrapes.

`install` puts them into .cache/servers, each once. The rest are context managers: on loopback, on a free port, ended by
process id. Where a server cannot be had the test is skipped with the reason, or fails if GUARD_REQUIRE_SERVERS=1.
"""
