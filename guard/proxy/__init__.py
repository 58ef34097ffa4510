"""The data plane: the pipeline of a request, and the two edges that act for it."""
