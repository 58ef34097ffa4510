"""A clock that only moves when it is read: import this before guard, whose modules take theirs when they are imported."""

import time
from itertools import count

REAL = time.perf_counter
time.monotonic = time.perf_counter = count(1000.0, 1e-6).__next__  # each reading is a microsecond later
