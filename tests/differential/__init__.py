"""guard beside Envoy, on the wire: the same bytes to both, and every difference has a reason. See `run.py`."""
