"""The ladder: the ordered sources of an answer, and what closes them.

Here: the rungs, one file each; the breaker, the modes and the concurrency limits. Pure; time is an argument.
Not here: how a ladder is declared (`guard.policy.ladder`), compiled (`guard.policy`) or ordered down (`guard.control`).
"""
