"""guard: the sidecar that makes a model server safe to operate.

Here: the packages of the project, and `serve`, the composition root, which alone sees everything.
Not here: anything else; a new file has its place in one of the packages.
"""

__version__ = "0.1.0"
