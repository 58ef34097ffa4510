"""Guard's own health: errors of the loop, stalls, background tasks, subscribers, watched files."""

from collections.abc import Iterator

from guard.control.event_bus import EventBus
from guard.control.process import LoopErrors
from guard.control.supervisor import Supervisor
from guard.control.watchdog import Watchdog
from guard.control.watched_files import WatchedFiles
from guard.telemetry import instruments as of
from guard.telemetry.family import Family


class OwnHealth:
    """Makes all of them for one process, and reads them for a scrape."""

    def __init__(self, bus: EventBus) -> None:
        self.bus = bus
        self.errors = LoopErrors(bus.publish)
        self.supervisor = Supervisor(bus.publish)
        self.watchdog = Watchdog(bus.publish)
        self.files = WatchedFiles(bus.publish)

    def families(self) -> Iterator[Family]:
        """Counters begin at nought where their labels are known: a scraper sees no increase in what only appears."""
        yield Family(of.LOOP_ERRORS, [((), self.errors.count)])
        yield Family(of.LOOP_STALLS, [((place,), count) for place, count in self.watchdog.stalls.copy().items()])
        crashes = dict.fromkeys(self.supervisor.names(), 0) | self.supervisor.crashes.copy()
        yield Family(of.TASK_CRASHES, [((task,), count) for task, count in crashes.items()])
        yield Family(of.TASK_DOWN, [((task,), 1) for task in self.supervisor.down()])
        failed = dict.fromkeys(self.bus.names(), 0) | self.bus.crashes.copy()
        yield Family(of.SUBSCRIBER_CRASHES, [((name,), count) for name, count in failed.items()])
        yield Family(of.FILE_UNREADABLE, [((file,), int(not_read)) for file, not_read in self.files.states().items()])
