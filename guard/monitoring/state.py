"""A monitor's state as bytes, written each minute by whoever holds the state folder, and read at a start.

Restored exactly: evidence, onsets, dispersion, season, references, the alarm, the verdicts. Not restored, because it is in
memory only or worth a minute: samples that cuts are made of, the window, the blocks under way. So a restart neither
alarms nor forgets; learning goes on from its last reference.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from guard.monitoring.alarms import alarm_from
from guard.monitoring.codec import StateInvalid, pack, unpack
from guard.monitoring.monitor import MonitorConfig, RouteMonitor
from guard.monitoring.reference import FieldReference, ReferenceInvalid
from guard.monitoring.season import Season

FORMAT: Final = 1
_REFERENCES: Final = TypeAdapter(tuple[FieldReference, ...])


def dump(monitor: RouteMonitor) -> bytes:
    """The state of a monitor; `restore` reads it."""
    sides = {
        side: {
            "requests": learning.requests,
            "final": learning.final,
            "from_file": learning.from_file,
            "frozen": None if (frozen := learning.references()) is None else _REFERENCES.dump_python(frozen, mode="json"),
        }
        for side, learning in monitor.learning.items()
    }
    header = {
        "format": FORMAT, "fields": _fields(monitor.config), "season": monitor.config.season,
        "reference": _digest(monitor.config), "base": monitor.base,
        "at": monitor.at, "sides": sides, "alarm": None if monitor.alarm is None else monitor.alarm.to_dict(),
        "verdicts": monitor.verdicts, "alarms": monitor.alarms, "expected_until": monitor.expected_until,
        "season_begun": monitor.season_begun, "referred_at": monitor.referred_at,
    }  # fmt: skip
    blobs: dict[str, bytes] = {}
    for place, signal in enumerate(monitor.signals):
        blobs[f"evidence/{signal.name}"] = monitor.detector.signals[place].state()
        blobs[f"dispersion/{signal.name}"] = monitor.dispersions[place].state()
        season = monitor.seasons[place]
        if season is not None:
            blobs[f"season/{signal.name}"] = season.state()
    return pack(header, blobs)


def restore(config: MonitorConfig, wall: float, state: bytes) -> RouteMonitor:
    """The monitor that `dump` saw, in this policy. StateInvalid where the state is damaged or of other fields.

    `wall` may be before the saved time: the monitor's own time does not fall.
    """
    header, blobs = unpack(state)
    if header.get("format") != FORMAT or header.get("fields") != _fields(config) or header.get("season") != config.season:
        raise StateInvalid("the monitoring state is of other fields or another season: it starts again at 0")
    if header.get("reference") != _digest(config):
        raise StateInvalid("the monitoring state was made with another reference: it starts again at 0")
    try:
        return _restore(config, wall, header, blobs)
    except (KeyError, TypeError, AttributeError, ValidationError, ReferenceInvalid, ValueError):
        raise StateInvalid("the monitoring state does not fit the declared fields: it starts again at 0") from None


def _restore(config: MonitorConfig, wall: float, header: Mapping[str, Any], blobs: Mapping[str, bytes]) -> RouteMonitor:
    monitor = RouteMonitor(config, float(header["base"]))
    monitor.at = max(int(header["at"]), int(wall) - monitor.base)
    for side, learning in monitor.learning.items():
        saved = header["sides"][side]
        frozen = None if saved["frozen"] is None else _REFERENCES.validate_json(json.dumps(saved["frozen"]))
        learning.resume(int(saved["requests"]), frozen, final=bool(saved["final"]), from_file=bool(saved["from_file"]))
    monitor.season_begun = {side: int(at) for side, at in header["season_begun"].items()}
    if "referred_at" in header:
        monitor.referred_at = {side: float(at) for side, at in header["referred_at"].items()}
    monitor.lay()
    for place, signal in enumerate(monitor.signals):
        monitor.dispersions[place].load(blobs[f"dispersion/{signal.name}"])
        table = blobs.get(f"season/{signal.name}")
        if table is not None:
            season = monitor.seasons[place] or Season(len(signal.cells))
            season.load(table)
            monitor.seasons[place] = season
    monitor.arm()
    for place, signal in enumerate(monitor.signals):
        monitor.detector.signals[place].load(blobs[f"evidence/{signal.name}"])
    monitor.detector.sum_up()
    monitor.alarm = None if header["alarm"] is None else alarm_from(header["alarm"])
    monitor.verdicts.update(header["verdicts"])
    monitor.alarms, monitor.expected_until = int(header["alarms"]), float(header["expected_until"])
    return monitor


def _digest(config: MonitorConfig) -> str | None:
    return None if config.reference is None else config.reference.digest


def _fields(config: MonitorConfig) -> list[str]:
    """Hashes of the declarations that must be equal for a state to fit: declared classes and bounds are not written out."""
    return [hashlib.sha256(repr(spec).encode()).hexdigest() for spec in config.fields]
