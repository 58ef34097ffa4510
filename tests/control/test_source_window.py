"""Who answered: each exchange once, in the ten seconds in which it ended."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from guard.control.source_window import BUCKET, BUCKETS, SourceWindow
from guard.proxy.values import Source
from tests.telemetry.records import record

EXCHANGES = st.tuples(st.sampled_from(["model", "previous", "rules", None]), st.sampled_from([0.0, 0.1, 9.9, 10.0, 25.0]))


@given(st.lists(st.lists(EXCHANGES)))
def test_a_batch_is_counted_as_its_records(batches: list[list[tuple[Source | None, float]]]) -> None:
    shares, now = SourceWindow(), 100.0
    ended: list[tuple[str, float]] = []
    for batch in batches:
        records = []
        for source, after in batch:
            now += after
            records.append(record(source=source, ended_at=now))
            ended.append((source or "none", now))
        shares.take(iter(records))
    oldest = int(now / BUCKET) - BUCKETS
    assert shares.counts(now) == Counter(source for source, at in ended if int(at / BUCKET) > oldest)
