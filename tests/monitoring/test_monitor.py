import random
from functools import cache

import pytest

from guard.monitoring.cells import FieldSpec
from guard.monitoring.codec import StateInvalid
from guard.monitoring.figures import figures
from guard.monitoring.monitor import MonitorConfig, RouteMonitor
from guard.monitoring.reference import CutMaker, Reference, ReferenceInvalid, parse_reference
from guard.monitoring.state import dump, restore

MONTH = 2_592_000.0
START = 1_000_000_000.0
FIELDS = (
    FieldSpec("age", "input", "number", low=0, high=120, private=True),
    FieldSpec("dose", "input", "number"),
    FieldSpec("at", "input", "age"),
    FieldSpec("label", "output", "class", ("a", "b", "c")),
    FieldSpec("score", "output", "number", low=0, high=1),
)
NAMES = [(spec.side, spec.name) for spec in FIELDS]


def healthy(rng):
    return [rng.uniform(20, 80), rng.gauss(0, 1), rng.expovariate(0.1), rng.choices("abc", (60, 30, 10))[0], rng.random()]


class Drive:
    def __init__(self, season="none", reference=None, fields=FIELDS, row=healthy, **options):
        self.rng, self.row, self.number = random.Random(5), row, 0
        self.config = MonitorConfig(fields, MONTH, season, **options)
        self.monitor = RouteMonitor(self.config, START, reference)
        self.wall = START

    def run(self, seconds, change=None, rate=50):
        """Seconds of traffic until an alarm; how many passed, and the alarm."""
        for second in range(seconds):
            for _ in range(rate):
                row = self.row(self.rng)
                if change is not None:
                    change(row, self.rng)
                self.number += 1
                tally = self.monitor.tally
                tally.begin(self.number, 1)
                for field, value in zip(tally.fields, row, strict=True):
                    field.add([value])
            self.wall += 1
            alarm = self.monitor.tick(self.wall)
            if alarm is not None:
                return second + 1, alarm
        return seconds, None


def file_reference(rows=20_000) -> Reference:
    rng = random.Random(9)
    table = [dict(zip(NAMES, healthy(rng), strict=True)) for _ in range(rows)]
    cuts = CutMaker(FIELDS)
    for row in table:
        cuts.add(row)
    maker = cuts.finish()
    for row in table:
        maker.add(row)
    return maker.finish("2026-01-01T00:00:00Z", "7")


made = cache(file_reference)


def set_to(place, value, chance=1.0):
    def change(row, rng):
        if rng.random() < chance:
            row[place] = value(row) if callable(value) else value

    return change


FAULTS = {
    "frozen feature": (set_to(1, 0.3), "input:dose:repeat", "critical", "data_freshness", 2),
    "collapse": (set_to(3, "a"), "output:label:values", "critical", "model_quality", 2),
    "constant score": (set_to(4, 0.42), "output:score:repeat", "critical", "model_quality", 2),
    "stale": (set_to(2, lambda row: row[2] + 600), "input:at:values", "critical", "data_freshness", 2),
}


@pytest.mark.parametrize("name", FAULTS)
def test_in_fixed_a_gross_fault_alarms_within_two_ticks_with_the_right_headline_and_onset(name):
    change, headline, severity, topic, ticks = FAULTS[name]
    drive = Drive(reference=made())
    assert drive.run(30) == (30, None)
    assert {*drive.monitor.stages} == {"fixed"}
    passed, alarm = drive.run(10, change)
    assert alarm is not None
    assert passed <= ticks
    assert (alarm.headline, alarm.severity, alarm.topic) == (headline, severity, topic)
    assert abs(alarm.onset - (START + 30)) <= 5


@pytest.mark.parametrize("name", ["frozen feature", "collapse", "constant score"])
def test_in_gross_a_gross_fault_alarms_within_five_ticks(name):
    change, headline, *_ = FAULTS[name]
    drive = Drive("unset")
    assert drive.run(60) == (60, None)
    passed, alarm = drive.run(10, change)
    assert alarm is not None
    assert passed <= 5
    assert alarm.headline == headline


def test_a_constant_score_costs_at_most_five_requests_of_the_repeat_cell():
    drive = Drive(reference=made())
    drive.run(30)
    passed, alarm = drive.run(10, set_to(4, 0.42), rate=3)
    assert alarm is not None
    assert alarm.rows <= 6
    assert passed <= 2


def test_nothing_is_armed_before_there_is_a_reference():
    drive = Drive("unset")
    drive.run(39)
    assert {*drive.monitor.stages} == {"counting"}
    drive.run(1)
    assert {*drive.monitor.stages} == {"gross"}


def test_with_a_season_a_file_is_gross_until_the_hours_of_a_week_are_known():
    drive = Drive("week", made())
    drive.run(30)
    assert {*drive.monitor.stages} == {"gross"}


def test_learning_without_a_season_is_fixed_from_two_thousand_requests_and_final_with_tails():
    drive = Drive(row=healthy)
    drive.run(60)
    assert {*drive.monitor.stages} == {"fixed"}
    drive.run(110, rate=400)
    assert {*drive.monitor.stages} == {"fixed"}
    assert all(learning.final for learning in drive.monitor.learning.values())
    (dose,) = [item for item in drive.monitor.frozen() if item.name == "dose"]
    assert [level for level, _ in dose.cuts][:: len(dose.cuts) - 1] == [0.001, 0.999]


def test_what_is_constant_or_absent_from_the_start_is_shown_and_never_alarmed():
    fields = (
        FieldSpec("same", "input", "number"),
        FieldSpec("never", "input", "number"),
        FieldSpec("tree", "output", "number"),
    )

    def row(rng):
        return [7, None, rng.choice((0.1, 0.35, 0.35, 0.8, 0.95))]

    for season in ("unset", "none"):
        drive = Drive(season, fields=fields, row=row)
        assert drive.run(2_000) == (2_000, None)
        shown = {
            signal.name
            for signal, stage in zip(drive.monitor.signals, drive.monitor.stages, strict=True)
            if stage == "shown"
        }
        assert {"input:same:values", "input:same:repeat", "input:never:states"} <= shown
        assert drive.run(5, set_to(1, 3.0))[1] is None


def test_an_alarm_is_latched_and_ends_by_itself_when_all_is_as_before():
    drive = Drive(reference=made(), window_seconds=20, window_requests=1_000)
    drive.run(30)
    assert drive.run(5, FAULTS["collapse"][0])[1] is not None
    assert drive.run(60, FAULTS["collapse"][0]) == (60, None)
    assert drive.monitor.alarm is not None
    drive.run(45)
    assert drive.monitor.alarm is None
    assert drive.monitor.verdicts["over"] == 1
    assert drive.run(30) == (30, None)


def test_accept_learns_anew_and_reset_goes_on():
    drive = Drive(reference=made())
    drive.run(30)
    assert drive.run(5, FAULTS["collapse"][0])[1] is not None
    drive.monitor.end("reset")
    assert drive.run(5, FAULTS["collapse"][0])[1] is not None
    drive.monitor.end("accept")
    assert drive.run(100, FAULTS["collapse"][0]) == (100, None)
    assert drive.monitor.verdicts == {"accept": 1, "reset": 1, "over": 0}


def test_an_expected_change_raises_nothing_and_teaches_nothing():
    drive = Drive(reference=made())
    drive.run(30)
    drive.monitor.expect(drive.wall + 20)
    assert drive.run(19, FAULTS["collapse"][0]) == (19, None)
    assert drive.run(30) == (30, None)


def test_another_version_restarts_the_outputs_and_keeps_what_is_known_of_the_inputs():
    drive = Drive(reference=made())
    drive.run(30)
    drive.monitor.restart("output")
    drive.run(2)
    stages = {signal.side: stage for signal, stage in zip(drive.monitor.signals, drive.monitor.stages, strict=True)}
    assert stages == {"input": "fixed", "output": "counting"}
    drive.monitor.restart("output", made())
    drive.run(35)
    assert {*drive.monitor.stages} == {"fixed"}


@pytest.mark.parametrize("seconds", [5, 30, 300])
def test_a_restart_neither_alarms_nor_forgets(seconds):
    drive = Drive(reference=made() if seconds != 300 else None)
    drive.run(seconds)
    drive.run(8, set_to(3, "c", 0.06))
    before = drive.monitor
    before.arm()
    after = restore(drive.config, drive.wall, dump(before))
    assert after.detector.state() == before.detector.state()
    assert after.detector.evidence == before.detector.evidence
    assert after.stages == before.stages
    assert after.frozen() == before.frozen()
    drive.monitor = after
    assert drive.run(20)[1] is None


def test_a_latched_alarm_survives_a_restart():
    drive = Drive(reference=made())
    drive.run(30)
    alarm = drive.run(5, FAULTS["collapse"][0])[1]
    assert restore(drive.config, drive.wall, dump(drive.monitor)).alarm == alarm


def test_a_damaged_state_or_one_of_other_fields_is_refused():
    drive = Drive(reference=made())
    drive.run(30)
    state = dump(drive.monitor)
    for broken in (b"", state[:-1], state[:100] + b"x" + state[101:]):
        with pytest.raises(StateInvalid):
            restore(drive.config, drive.wall, broken)
    with pytest.raises(StateInvalid, match="other fields"):
        restore(MonitorConfig(FIELDS[:3], MONTH, "none"), drive.wall, state)


def test_a_private_field_names_no_cells_shares_or_cuts():
    drive = Drive(reference=made())
    drive.run(30)
    _, alarm = drive.run(5, set_to(0, 41.0))
    assert alarm is not None
    assert alarm.headline == "input:age:repeat"
    assert not any(cell.signal.startswith("input:age") for cell in alarm.moved)
    assert all(figure.shares == () for figure in figures(drive.monitor) if figure.signal.startswith("input:age"))
    shown = next(field for field in made().shown()["fields"] if field["name"] == "age")
    assert not {"cuts", "counts", "classes"} & set(shown)


def test_a_reference_file_is_read_as_it_was_written_and_nothing_else_is():
    reference = made()
    text = reference.to_json()
    assert parse_reference(text) == reference
    assert text == file_reference().to_json()
    for broken, fault in (
        (text.replace('"rows": 20000', '"rows": 20001'), "digest"), (text.replace('"format": 1', '"format": 2'), "format"),
        (text.replace('"rows"', '"extra": 1, "rows"', 1), "extra"), ("[]", "object"), ("{", "JSON"),
        (text.replace('"rows": 20000', '"rows": 20000, "rows": 20000'), "twice"), (text.replace('"rows": 20000', '"rows": NaN'), "finite"),
    ):  # fmt: skip
        with pytest.raises(ReferenceInvalid, match=fault):
            parse_reference(broken)


def test_a_reference_counts_every_row_exactly():
    for field in made().fields:
        assert sum(field.counts) == 20_000
        if field.cuts and not field.private:
            below = 0.0
            for (level, _), count in zip(field.cuts, field.counts, strict=False):
                below += count
                assert below / 20_000 == pytest.approx(level, abs=1e-4)
