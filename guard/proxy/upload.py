"""The body of a request as it arrives, and the part of a streamed one that may have to be sent again."""

from guard.proxy.interfaces import AHEAD, Client, Link
from guard.proxy.trampoline import Trampoline
from guard.proxy.values import Body, RefusalCode, Refused


class Upload(Trampoline):
    """The part of an exchange that holds the bytes of its request's body."""

    __slots__ = ("_retained", "_spent", "body_done", "broken", "chunks", "client", "consumed", "ended", "held", "size")

    client: Client
    chunks: list[bytes]
    size: int  # bytes in chunks
    held: int  # bytes of the budget: those in chunks, and those retained
    body_done: bool  # all of it arrived
    broken: RefusalCode | None  # why it will never be complete
    ended: bool  # the request was answered, or given up
    consumed: bool  # all of it was used
    _retained: list[bytes] | None  # sent bytes of a streamed body that may be sent again
    _spent: bool  # bytes of a streamed body were sent and not retained

    def _fail(self, failure: Exception) -> None:
        """Cancel the call."""
        raise NotImplementedError

    def refuse(self, code: RefusalCode) -> None:
        """Refuse the request: its body cannot be read to its end."""
        self.broken = code
        if not self.ended:
            self._fail(Refused(code))

    def owes_body(self) -> bool:
        """Whether the pipeline waits for a body that is judged as a whole."""
        return type(self._waiting) is Body and not self.body_done

    def judge(self) -> None:
        """Pass a large, complete body to the pipeline: its turn has come."""
        if type(self._waiting) is Body and self.body_done:
            self._answer(self._take_body())

    def _take_body(self) -> bytes:
        chunks, self.chunks, self.size = self.chunks, [], 0
        self.consumed = self.body_done
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def _pass_on(self, link: Link) -> None:
        """Send the held bytes. On a kept connection, which may be closed already, up to AHEAD bytes are retained."""
        chunk = self._take_body()
        link.send_body(chunk)
        if link.reused and not link.answer_begun and not self._spent and self.held <= AHEAD:
            if self._retained is None:
                self._retained = []
            self._retained.append(chunk)
        else:
            self._let_go()

    def _let_go(self) -> None:
        """Drop the retained bytes: the streamed body will not be sent again."""
        self._retained, self._spent = None, True
        self.client.budget.used -= self.held - self.size
        self.held = self.size

    def _rewind(self) -> None:
        """Put the retained bytes back before the held ones, to send them again."""
        if self._retained is not None:
            self.chunks = self._retained + self.chunks
            self.size = sum(map(len, self.chunks))
            self._retained = None
