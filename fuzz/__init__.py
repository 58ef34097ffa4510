"""Fuzzing by coverage: bytes in, laws out. Not part of the wheel.

A target is a module with `check(data) -> None`, which raises where a law is broken, and `seeds()`, the bytes that a new
corpus starts from. None of them imports atheris: the same oracles hold the kept corpus under plain pytest
(tests/test_fuzz_corpus.py). `fuzz/run.py` drives them.
"""

TARGETS = ("front", "back", "strict_json", "policy_text")


class KnownFault(AssertionError):  # noqa: N818 — a word of the domain
    """A law is broken in a way that is known and not mended yet; its bytes are in fuzz/known.

    The fuzzer goes on where it meets one. The test of the corpus demands that it is still met: who mends the fault
    moves its bytes to fuzz/corpus and takes the excuse out of the oracle.
    """
