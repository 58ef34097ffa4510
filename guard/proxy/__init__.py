"""The data plane: the pipeline of a request, and the two edges that act for it.

Here: HTTP from clients and to model servers, header hygiene, limits, deadlines, and exceptions → answers.
Not here: what is judged (`guard.contract`), which rungs there are (`guard.ladder`), anything that reads a policy.
"""
