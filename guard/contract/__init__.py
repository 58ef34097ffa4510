"""Contracts: what a route accepts and returns, compiled from declared fields or a JSON Schema file.

Here: strict JSON, fields → validators, violations, and what is noticed of values. Pure; time is an argument.
Not here: how a field is declared (`guard.policy.fields`), and the layouts of model servers (`guard.dialects`).
"""
