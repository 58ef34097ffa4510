"""Records the suite anew from its `tests` folder."""

import sys
from pathlib import Path

from tests.contract.suite import record

record(Path(sys.argv[1]))
