"""The part of an exchange that relays a streamed answer to its client.

The head of a stream that an inspector reads waits for the first event: as long as nothing was sent, the pipeline may still
take another rung. Nothing else waits: a client has its first byte when the model server has sent its first event.
Heartbeats begin after that event, since an earlier one would exclude every other rung. They move no deadline of the model.
"""

from time import monotonic
from typing import Final

from guard.proxy.deadlines import ATTEMPT, HEARTBEAT
from guard.proxy.interfaces import UNKNOWN, Link
from guard.proxy.upload import Upload
from guard.proxy.values import Call, Inspector, Reason, Relay, Relayed

MOST_HELD: Final = 65536
"""Bytes of comments and heartbeats held before the first event; more of them begin the stream."""

BEAT: Final = b": heartbeat\n\n"
"""A comment, which clients skip (WHATWG HTML §9.2.7), and an empty line for those that split at it."""


class Relaying(Upload):
    """The part of an exchange that performs `Relay`; the driver makes the call."""

    __slots__ = ("_call", "_link", "_opened", "_prefix", "_sent", "_waited")

    _call: Call | None
    _link: Link | None
    _opened: bool  # a relay's head was written
    _prefix: bytes  # of the answer: came with its head, or waits for the first event
    _sent: int
    _waited: bool  # the target was once kept from sending, for the client did not read

    def _drop_call(self) -> None:
        raise NotImplementedError

    def _arm(self, purpose: int, due: float) -> None:
        raise NotImplementedError

    def _arm_idle(self) -> None:
        raise NotImplementedError

    def _disarm(self) -> None:
        raise NotImplementedError

    def _open(self, relay: Relay, length: int) -> None:
        raise NotImplementedError

    def _begin_relay(self, relay: Relay) -> None:
        self._waiting, link = relay, self._link
        if link is None:  # lost between its head and this command
            self._end_relay("reset")
            return
        prefix, self._prefix = self._prefix, b""
        if relay.inspector is None:
            self._open(relay, link.length)
        else:
            self._arm(ATTEMPT, relay.until)
        if prefix:
            self.data(link, prefix)
        if self._link is link and not self.client.paused:
            if self._opened:
                self._arm_idle()
            link.flow()

    def data(self, link: Link, chunk: bytes) -> None:
        """Pass on the next bytes of a relayed answer."""
        relay = self._waiting
        if link is not self._link or type(relay) is not Relay:
            return
        inspector = relay.inspector
        if inspector is not None:
            chunk = inspector.feed(chunk, monotonic())
            if not self._opened:
                chunk = self._prefix + chunk
                self._prefix = b""
                if not (inspector.begun or inspector.refused or len(chunk) >= MOST_HELD):
                    self._prefix = chunk
                    return
                if (reason := self._barred(relay, inspector)) is not None:
                    self._end_relay(reason)
                    return
                self._open(relay, UNKNOWN)
        if chunk:
            self._sent += len(chunk)
            self.client.send_chunk(chunk)
            if relay.heartbeat and inspector is not None:
                self.client.timer.set(HEARTBEAT, monotonic() + relay.heartbeat)
        if inspector is not None and self._call is not None and self._call.hold is not None and self._call.hold.over:
            self._end_relay("budget")
        elif self.client.paused:  # the client is slow, so the target's deadline does not run
            link.pause_reading()
            self._waited = True
            self._disarm()
        else:
            self._arm_idle()

    def _barred(self, relay: Relay, inspector: Inspector) -> Reason | None:
        """The reason that a stream may not begin after its first event; None if it may."""
        if inspector.refused:
            return "status"
        if self._call is not None and (closed := self._call.target.closed) is not None:
            return closed  # operators closed the source meanwhile
        return "version" if relay.disagrees is not None and relay.disagrees() else None

    def _beat(self) -> None:
        """Send a heartbeat: the stream has been silent for its interval."""
        relay = self._waiting
        if type(relay) is not Relay or relay.inspector is None or not self._opened:
            return
        if relay.inspector.between and not self.client.paused:
            self._sent += len(BEAT)
            self.client.send_chunk(BEAT)
        self.client.timer.set(HEARTBEAT, monotonic() + relay.heartbeat)

    def done(self, link: Link) -> None:
        """End a relayed answer that is complete."""
        if link is self._link and type(self._waiting) is Relay:
            self._link = None
            self._end_relay(None)

    def _end_relay(self, failed: Reason | None, *, late: bool = False) -> None:
        relay, tail = self._waiting, b""
        if type(relay) is Relay and relay.inspector is not None:
            if not self._opened and failed is None:
                self._end_unopened(relay)
                return
            tail = relay.inspector.end() if failed is None else relay.inspector.stop(failed) if self._opened else b""
            if tail:
                self._sent += len(tail)
                self.client.send_chunk(tail)
        self._drop_call()
        # A server that cannot write ends the stream by its own timeout: the slow client is the cause.
        ours = late or (self._waited and failed == "reset")
        self._answer(Relayed(self._sent, monotonic(), failed, bool(tail), ours, opened=self._opened))

    def _end_unopened(self, relay: Relay) -> None:
        """End a stream that has not begun. Its only event may be complete without an empty line."""
        inspector = relay.inspector
        assert inspector is not None  # the caller checks it
        rest = self._prefix + inspector.end()
        self._prefix = b""
        failed: Reason = "malformed"
        if inspector.begun and relay.disagrees is not None and relay.disagrees():
            failed = "version"
        elif inspector.begun and not inspector.refused:
            self._open(relay, UNKNOWN)
            self._sent += len(rest)
            self.client.send_chunk(rest)
        self._drop_call()
        self._answer(Relayed(self._sent, monotonic(), None if self._opened else failed, opened=self._opened))

    def client_resumed(self) -> None:
        """The client takes bytes again."""
        if type(self._waiting) is Relay and self._link is not None:
            if self._opened:
                self._arm_idle()
            self._link.resume_reading()
            self._link.flow()

    def cut(self) -> bool:
        """End a relayed answer whose source operators do not allow any more."""
        reason = self._call.target.closed if type(self._waiting) is Relay and self._call is not None else None
        if reason is not None:
            self._end_relay(reason)
        return reason is not None
