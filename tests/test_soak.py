"""What the soak counts: series, whatever the number of their lines."""

from benchmarks.soak import series_of

PAGE = """\
a_total{route="/p",reason="x"} 3
h_bucket{route="/p",le="0.1"} 1 # {trace_id="ab"} 0.05 1.0
h_bucket{route="/p",le="+Inf"} 2
h_count{route="/p"} 2
h_sum{route="/p"} 0.3
h_count{route="/q"} 2
g 1
"""


def test_a_histogram_is_one_series_for_each_of_its_labels() -> None:
    assert {series_of(line) for line in PAGE.splitlines()} == {
        'a_total{route="/p",reason="x"}',
        'h{route="/p"}',
        'h{route="/q"}',
        "g{",
    }
