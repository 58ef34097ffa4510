"""guard: the sidecar that makes a model server safe to operate.

Here: the packages of the project, and `serve`, the composition root, which alone sees everything.
Not here: anything else; a new file has its place in one of the packages.
"""

from functools import cache
from importlib.util import find_spec

__version__ = "0.1.0"


@cache
def form() -> str:
    """`compiled` where the data plane runs as machine code, or `interpreted`; docs/compiled-code.md tells what differs."""
    spec = find_spec("guard.proxy.pipeline")
    return "interpreted" if spec is None or str(spec.origin).endswith(".py") else "compiled"
