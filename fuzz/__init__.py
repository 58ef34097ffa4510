"""Fuzzing by coverage: bytes in, laws out. Not part of the wheel.

A target is a module with `check(data) -> None`, which raises where a law is broken, and `seeds()`, the bytes that a new
corpus starts from. None of them imports atheris: the same oracles hold the kept corpus under plain pytest
(tests/test_fuzz_corpus.py). `fuzz/run.py` drives them.
"""

TARGETS = ("front", "back", "strict_json", "policy_text")
