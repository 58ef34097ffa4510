"""The policy of `guard serve --upstream URL`: everything passes and is observed, but what is meant for operators.

It is text like any policy, so that it can be printed, and grow into one.
"""

from pathlib import Path
from typing import Final

from guard.policy.management import METHODS, every

NAME: Final = Path("(no policy)")
_HEAD: Final = """\
version: guard/v1
service: observed
upstream: {upstream}
listen: {{data: '127.0.0.1:8900', admin: '127.0.0.1:8901', ops: '127.0.0.1:8902'}}
routes:
"""


def default_policy(upstream: str) -> str:
    """The text of a policy that only looks on."""
    denied = [f"  {method} {path}: denied\n" for path in every() for method in METHODS]
    passed = [f"  {method} /*: passthrough\n" for method in METHODS]
    return _HEAD.format(upstream=upstream) + "".join(_quoted(line) for line in denied + passed)


def _quoted(line: str) -> str:
    """Keys with braces are quoted in YAML."""
    key, _, word = line.strip().rpartition(": ")
    return f"  '{key}': {word}\n"
