from collections import Counter
from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.monitoring.cells import (
    UNIT,
    ClassCells,
    FieldSpec,
    NumberCells,
    VectorCells,
    compile_cells,
    keep_largest,
    make_cuts,
    round_to_two,
)
from guard.monitoring.quantiles import QuantileSample
from guard.monitoring.sampling import Sampler
from guard.monitoring.signals import signals_of, weigh
from guard.monitoring.tally import BatchPairs, RouteTally

CUTS = ((0.1, 1.0), (0.5, 2.0), (0.9, 3.0))
anything = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.lists(st.floats()),
    st.dictionaries(st.text(), st.integers()),
)


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (0.5, "<= 10 %"), (1.0, "<= 10 %"), (1, "<= 10 %"), (1.5, "<= 50 %"), (3.5, "> 90 %"), (None, "<missing>"), (True, "<invalid>"),
        ("1", "<invalid>"), (nan, "<not_finite>"), (inf, "<not_finite>"), (-1, "<out_of_range>"), (10**400, "<out_of_range>"),
    ],
)  # fmt: skip
def test_a_number_has_one_cell(value, name):
    cells = NumberCells(CUTS, 0.0, 100.0)
    assert cells.names[cells.index(value)] == name


@pytest.mark.parametrize(
    ("value", "name"),
    [("a", "a"), ("z", "<rest>"), ("new", "<unseen>"), (None, "<missing>"), (1, "<invalid>"), ([], "<invalid>")],
)
def test_a_class_has_one_cell(value, name):
    cells = ClassCells(["a", "b", "z"], ["a", "b"])
    assert cells.names[cells.index(value)] == name


def test_numeric_classes_are_equal_as_numbers_and_no_boolean_is_one():
    cells = ClassCells([0, 1], [0, 1])
    assert [cells.names[cells.index(v)] for v in (1.0, 0, True)] == ["1", "0", "<invalid>"]


@given(anything)
def test_no_value_fails_and_every_index_is_a_cell(value):
    for spec in (FieldSpec("x", "input", "number", low=0), FieldSpec("x", "output", "vector"),
                 FieldSpec("x", "input", "class", ("a", 1)), FieldSpec("x", "input", "presence")):  # fmt: skip
        cells = compile_cells(spec, CUTS if spec.kind in ("number", "vector") else ())
        assert 0 <= cells.index(value) < len(cells.names)
        cells.number(value)


@given(st.lists(st.one_of(st.none(), st.floats(allow_nan=True)), min_size=1, max_size=40))
def test_counts_add_up_and_cumulative_cells_are_shares_at_most(values):
    tally = RouteTally()
    spec = FieldSpec("x", "input", "number")
    cells = compile_cells(spec, CUTS)
    field = tally.field(cells)
    for place, value in enumerate(values):
        tally.begin(place, 1)
        field.add([value])
    counts = tally.take()
    assert sum(counts[: len(cells.names)]) == UNIT * len(values)
    assert not any(tally.take())
    for signal in signals_of(spec, cells, 0):
        hits, trials = signal.read(counts)
        assert all(0 <= x <= trials for x in hits)
        if signal.kind == "values":
            assert hits == sorted(hits)


def test_one_request_is_one_bet_whatever_its_rows():
    tally = RouteTally()
    field = tally.field(compile_cells(FieldSpec("y", "output", "class", ("a", "b"))))
    tally.begin(1, 4)
    field.add(["a", "a", "a", "b"])
    assert tally.take()[:2] == [3 * UNIT // 4, UNIT // 4]
    field.correlation = 0.0
    tally.begin(2, 2)
    field.add(["a", "b"])
    assert tally.take()[:2] == [UNIT, UNIT]


def test_of_a_large_batch_about_two_hundred_rows_are_looked_at():
    tally = RouteTally()
    field = tally.field(compile_cells(FieldSpec("y", "output", "class", ("a", "b"))))
    field.correlation = 0.0
    tally.begin(1, 10_000)
    field.add(["a"] * 10_000)
    assert tally.take()[0] == 200 * UNIT


def test_a_value_repeats_only_where_the_inputs_differ():
    tally = RouteTally()
    field = tally.field(NumberCells((), None, None))
    for inputs, value in ((1, 0.5), (2, 0.5), (2, 0.5), (3, 0.6), (4, None), (5, 0.6)):
        tally.begin(inputs, 1)
        field.add([value])
    at = field.cells.repeat_at
    assert [count // UNIT for count in tally.take()[at : at + 2]] == [2, 3]


def test_a_vector_counts_its_largest_and_its_confidence():
    tally = RouteTally()
    field = tally.field(VectorCells(((0.5, 0.6),)))
    for place, value in enumerate(([0.1, 0.9], [0.5, 0.5], [], ["x"], [nan])):
        tally.begin(place, 1)
        field.add([value])
    counts = [count / UNIT for count in tally.take()]
    assert counts[:6] == [1, 1, 1, 1, 1, 0]
    assert counts[field.cells.confidence_at :] == [pytest.approx(1.4, abs=1e-5), 2]


def test_rows_inside_a_batch_are_alike_or_not():
    alike, unlike = BatchPairs(2, cumulative=False), BatchPairs(2, cumulative=False)
    for batch in range(400):
        alike.add([batch % 2] * 10)
        unlike.add([(batch * 7 + row) % 2 for row in range(10)])
    assert alike.correlation() == 1.0
    assert unlike.correlation() <= 0.2
    assert BatchPairs(2, cumulative=False).correlation() == 1.0


def test_tails_are_cut_only_where_rows_suffice_and_equal_cuts_are_one():
    ordered = [float(n) for n in range(20_000)]
    assert [level for level, _ in make_cuts(ordered, 20_000, private=False)] == [
        0.001,
        0.01,
        0.1,
        0.25,
        0.5,
        0.75,
        0.9,
        0.99,
        0.999,
    ]
    assert next(level for level, _ in make_cuts(ordered[:19_999], 19_999, private=False)) == 0.01
    assert make_cuts(ordered[:31], 31, private=False) == ()
    assert make_cuts([1.0] * 500 + [2.0] * 500, 1000, private=False) == ((0.01, 1.0), (0.75, 2.0))


def test_private_cuts_have_two_digits():
    cuts = make_cuts([123.456 + n for n in range(1000)], 1000, private=True)
    assert all(value == round_to_two(value) for _, value in cuts)
    assert round_to_two(1234.0) == 1200.0
    assert round_to_two(0.0) == 0.0
    assert round_to_two(-0.0123) == -0.012


@given(st.lists(st.floats(-1e6, 1e6), min_size=40, max_size=300))
def test_a_short_stream_is_cut_exactly(values):
    sample = QuantileSample(512, 32)
    for value in values:
        sample.add(value)
    assert sample.complete
    assert sample.cuts(private=False) == make_cuts(sorted(values), len(values), private=False)


def test_tails_of_a_long_stream_are_exact_and_its_middle_is_near():
    sample = QuantileSample(2048, 32)
    for n in range(20_000):
        sample.add(float((n * 7919) % 20_000))
    cuts = dict(sample.cuts(private=False))
    assert cuts[0.001] == 19.0
    assert cuts[0.999] == 19_979.0
    assert abs(cuts[0.5] - 10_000) < 1_000


def test_more_than_twenty_classes_keep_the_nineteen_largest():
    classes = [str(n) for n in range(30)]
    assert keep_largest(classes, Counter({"29": 5, "28": 4})) == (*classes[:17], "28", "29")
    assert keep_largest(classes[:20], {}) == tuple(classes[:20])


def test_weights_add_up_to_one_where_every_signal_is_there():
    specs = [FieldSpec("x", "input", "number"), FieldSpec("t", "input", "age"), FieldSpec("y", "output", "class", ("a", "b", "c")),
             FieldSpec("p", "output", "vector")]  # fmt: skip
    signals = [s for spec in specs for s in signals_of(spec, compile_cells(spec, CUTS if spec.kind != "class" else ()), 0)]
    weights = dict(zip([s.name for s in signals], weigh(signals, specs), strict=True))
    assert sum(weights.values()) == pytest.approx(1.0)
    assert sum(w for name, w in weights.items() if name.startswith("output") and "states" not in name) == pytest.approx(
        0.5 / 0.9
    )


def test_a_sampler_draws_all_of_little_and_never_more_than_its_rate():
    sampler = Sampler(100)
    for second in range(5):
        assert all(sampler.draw(n, second + n / 50) for n in range(50))
    for second in range(5, 10):
        drawn = sum(sampler.draw(second * 1000 + n, second + n / 1000) for n in range(1000))
        assert 60 <= drawn <= 100
    assert sampler.seen == 250 + 5000


def test_the_same_request_is_drawn_again():
    sampler = Sampler(100)
    for n in range(1000):
        sampler.draw(n, n / 1000)
    first = [sampler.draw(n, 1.0) for n in range(80)]
    for n in range(920):
        sampler.draw(n, 1.5)
    assert first == [sampler.draw(n, 2.0) for n in range(80)]
