"""guard: the sidecar that makes a model server safe to operate."""

__version__ = "0.1.0"
