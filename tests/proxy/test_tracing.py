"""Who decides that a trace is sampled, and what the model server is told of it."""

import random
import re
from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace.sampling import Decision, TraceIdRatioBased

from guard.ladder.model import Model
from guard.proxy.forwarding import peer
from guard.proxy.tracing import Sampler, baggage, context, parent, traceparent
from guard.proxy.values import Answer, Call, Failed, Head, Headers, Trace
from tests.proxy.scene import Stage, Tickets, rules, target

PARENT = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0"
GRAMMAR = re.compile(rb"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-0[01]\Z")


def head(trace: bytes = b"", *, trusted: bool = False, more: Headers | None = None) -> Head:
    networks = (ip_network("10.0.0.0/8"),) if trusted else ()
    known = peer("10.1.2.3", secure=False, via=b"us", trusted=networks)
    headers = [*([(b"traceparent", trace)] if trace else []), *(more or [])]
    return Head(b"GET", b"/", headers, peer=known, host=b"g", trace=trace)


def sampler(ratio: float, *, parented: bool = True, told: bool = True) -> Sampler:
    return Sampler(ratio, parented=parented, propagated=told, draw=random.Random(7).randbytes)


@pytest.mark.parametrize(
    ("flag", "trusted", "ratio", "parented", "sampled"),
    [
        (b"", False, 1.0, True, True), (b"", False, 0.0, True, False),
        (b"1", True, 0.0, True, True), (b"0", True, 1.0, True, False),
        (b"1", True, 0.0, False, False), (b"0", True, 1.0, False, True),
        (b"1", False, 0.0, True, False), (b"0", False, 1.0, True, True),
    ],
)  # fmt: skip
def test_a_friend_decides_a_stranger_does_not(
    flag: bytes, trusted: bool, ratio: float, parented: bool, sampled: bool
) -> None:
    made = sampler(ratio, parented=parented).begin(head(PARENT + flag if flag else b"", trusted=trusted))
    assert made is not None
    assert made.sampled is sampled
    assert bool(made.parent_id) is bool(flag)


def test_replicas_agree_as_opentelemetry_does() -> None:
    ours, theirs = sampler(0.3), TraceIdRatioBased(0.3)
    decisions = []
    for _ in range(500):
        made = ours.begin(head())
        assert made is not None
        assert made.sampled is (
            theirs.should_sample(None, int(made.trace_id, 16), "x").decision is Decision.RECORD_AND_SAMPLE
        )
        decisions.append(made.sampled)
    assert 100 < sum(decisions) < 200


def test_a_stranger_cannot_choose_a_trace_that_is_always_sampled() -> None:
    chosen = b"00-%032x-00f067aa0ba902b7-01" % (1 << 64)  # its low half is zero: below every ratio
    made = [sampler(0.01).begin(head(chosen))] + [
        item for s in [sampler(0.01)] for item in (s.begin(head(chosen)) for _ in range(300))
    ]
    assert sum(section is not None and section.sampled for section in made) < 30


def test_where_no_trace_is_told_only_sampled_exchanges_have_one() -> None:
    quiet = sampler(0.1, told=False)
    results = [quiet.begin(head()) for _ in range(1000)]
    results_read = [section for section in results if section is not None]
    assert 50 < len(results_read) < 200
    assert all(item.sampled and not item.propagated for item in results_read)
    followed = sampler(0.0, told=False).begin(head(PARENT + b"1", trusted=True))
    assert followed is not None
    assert followed.trace_id == PARENT[3:35]


def test_the_model_server_is_told_of_our_call() -> None:
    made = Trace(b"%032x" % 0xAB, b"f" * 15 + b"0", b"%016x" % 5, b"f" * 16, sampled=True, propagated=True)
    assert context(head(PARENT + b"1"), made) == [(b"traceparent", b"00-%032x-ffffffffffffffff-01" % 0xAB)]
    made.sampled = False
    assert context(head(), made) == [(b"traceparent", b"00-%032x-ffffffffffffffff-00" % 0xAB)]
    assert [made.call_id(number) for number in range(2, 5)] == [b"%016x" % number for number in (1, 2, 3)]


def test_ids_are_as_the_specification_has_them_and_never_all_zeros() -> None:
    for draw in (bytes, lambda count: b"\xff" * count, random.Random(7).randbytes):
        made = Sampler(1.0, parented=True, propagated=True, draw=draw).begin(head())
        assert made is not None
        for span_id in (made.span_id, made.call_id(1), made.call_id(2)):
            assert GRAMMAR.match(traceparent(made, span_id)[1])


def test_no_two_exchanges_have_an_id_in_common() -> None:
    one = sampler(0.5)
    made = [made for made in (one.begin(head()) for _ in range(1000)) if made is not None]
    ids = [each for section in made for each in (section.trace_id, section.span_id, section.call_id(1))]
    assert (len(made), len(set(ids))) == (1000, 3000)


@pytest.mark.parametrize(("ratio", "some"), [(0.0, 0), (2**-64, 0), (1 - 2**-53, 300), (1.0, 300)])
def test_the_ends_of_a_ratio(ratio: float, some: int) -> None:
    one = sampler(ratio)
    assert sum(made is not None and made.sampled for made in (one.begin(head()) for _ in range(300))) == some


@given(st.binary(max_size=80))
def test_any_bytes_are_a_parent_or_none(raw: bytes) -> None:
    told = dict(context(head(raw), None))
    assert parent(head(raw)) is None or GRAMMAR.sub(b"", told[b"traceparent"][:-1] + b"0") == b""


MEMBERS = [
    (b"user=bob", b"user=bob"), (b"user = bob;p=1", b"user = bob;p=1"), (b"tenant=a,user=bob", b"user=bob"), (b"User=bob", None),
    (b"user", None), (b"user=\x01", None), (b"user=a b", None), (b"user=" + b"x" * 8200, None), (b"", None), (b"user=bob,user=eve", b"user=bob,user=eve"),
]  # fmt: skip


@pytest.mark.parametrize(("sent", "kept"), MEMBERS)
def test_only_members_that_the_policy_names_go_on(sent: bytes, kept: bytes | None) -> None:
    told = dict(baggage(head(more=[(b"baggage", sent)]), frozenset((b"user",))))
    assert told.get(b"baggage") == kept


def test_a_crowd_of_members() -> None:
    crowd = b",".join(b"k%d=v" % number for number in range(180))
    assert dict(baggage(head(more=[(b"baggage", crowd), (b"baggage", b"k7=w")]), frozenset((b"k7",)))) == {
        b"baggage": b"k7=v,k7=w"
    }


class Always:
    """A tracer that samples all."""

    def begin(self, head: Head) -> Trace:
        return Trace(b"%032x" % 0xAB, b"%016x" % 0x10, b"", b"%016x" % 0x11, sampled=True, propagated=True)


def test_each_call_has_a_span_of_its_own() -> None:
    previous = Model(target(source="previous"), Tickets(), collect=1000, repeatable=True, version="6")  # type: ignore[arg-type]
    model = Model(target(), Tickets(), collect=1000, repeatable=True, version="7")  # type: ignore[arg-type]
    stage = Stage(rungs=(model, previous, rules()), tracer=Always())
    stage.say()
    parents: list[Any] = []
    first = stage.say(b"{}")
    assert isinstance(first, Call)
    parents.append(dict(first.headers).get(b"traceparent"))
    second = stage.say(Failed("timeout"))
    assert isinstance(second, Call)
    parents.append(dict(second.headers).get(b"traceparent"))
    stage.say(Answer(200, [], b"{}", called_at=100.0, head_at=100.5, end_at=101.0))
    assert parents == [b"00-%032x-%016x-01" % (0xAB, 0x10 + number) for number in (1, 2)]
    results = [
        (attempt.target.source, attempt.failed, attempt.status, attempt.ended_at) for attempt in stage.record.attempts
    ]
    assert results == [("model", "timeout", 0, 100.0), ("previous", None, 200, 101.0)]
