"""Privacy: how sensitive a value is, how private data is found, and what stands in its place.

Here: levels of sensitivity, treatments, detectors, and the fence that every exported text passes.
Not here: which fields are declared sensitive (`guard.policy.fields`), and where texts are searched (`guard.contract`).
"""
