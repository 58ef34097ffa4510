"""Attacks on a running guard, each beside clients, probes and an operator who must not notice.

`make attack` runs them all and prints the table of docs/security.md; tests/attack/test_attacks.py runs a small form of each.
"""
