"""The data plane: the life of an exchange, and the two edges that act for it."""
