"""Limits on the heads of a model server's answers: the policy's keys are the limits that are held, under the same names."""

import pytest

from guard.policy.ladder import TargetLimits
from guard.proxy.answer_heads import HeadLimits, Malformed, bounded

LIMITS = HeadLimits(headers=2, header_bytes=10)


def test_every_limit_is_a_key_of_the_policy_with_the_same_default():
    declared = TargetLimits.model_construct()
    defaults = HeadLimits()
    for name in HeadLimits.__dataclass_fields__:
        assert getattr(declared, name) == getattr(defaults, name), name


@pytest.mark.parametrize(
    ("status", "headers"), [(200, []), (599, []), (200, [(b"a", b"b")] * 2), (200, [(b"12345", b"67890")])]
)
def test_a_head_within_the_limits_passes(status, headers):
    bounded(status, headers, LIMITS, 1 << 20)


@pytest.mark.parametrize(
    ("status", "headers"), [(199, []), (600, []), (200, [(b"a", b"b")] * 3), (200, [(b"12345", b"678901")])]
)
def test_a_head_beyond_a_limit_is_no_answer(status, headers):
    with pytest.raises(Malformed):
        bounded(status, headers, LIMITS, 1 << 20)
