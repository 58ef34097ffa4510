"""The words that the parts of guard say to each other; nothing here acts.

Read in this order: `words` (the closed lists), `request` (what a client sent, and what a judge says of it), `calls` (what a
rung says, the commands of the life, what answers them or is thrown), `plan` (the Plan and the Record).

Exceptions, all raised into or out of the life:

    Exception
    ├── Refused   the client's request is at fault; its code goes to the client
    ├── Failed    the target, or our own capacity for it, is at fault; closes the rung
    └── Gone      the client left; nobody reads the answer

Times are seconds of one monotonic clock (`now`), unless a name says `wall` (seconds since the epoch).
"""

from guard.proxy.values.calls import (
    CUT,
    DONE,
    Answer,
    Body,
    Call,
    Closed,
    Command,
    Ending,
    Failed,
    Gone,
    Inspector,
    Refused,
    Relay,
    Relayed,
    Reply,
    Settlement,
    Slots,
    Step,
    Target,
    Ticket,
)
from guard.proxy.values.plan import (
    AnswerJudge,
    Dialect,
    Plan,
    Problem,
    Record,
    Route,
    Rung,
    Sink,
)
from guard.proxy.values.request import (
    NOBODY,
    STREAM,
    Allow,
    Amend,
    Deny,
    Head,
    Judge,
    Lower,
    Peer,
    Permit,
    Stream,
    Verdict,
    Violation,
)
from guard.proxy.values.words import (
    REASONS,
    REFUSALS,
    SOURCES,
    UNREADABLE,
    VIOLATIONS,
    Headers,
    Outcome,
    Reason,
    RefusalCode,
    Source,
    UnreadableCode,
    ViolationCode,
)

__all__ = [
    "CUT",
    "DONE",
    "NOBODY",
    "REASONS",
    "REFUSALS",
    "SOURCES",
    "STREAM",
    "UNREADABLE",
    "VIOLATIONS",
    "Allow",
    "Amend",
    "Answer",
    "AnswerJudge",
    "Body",
    "Call",
    "Closed",
    "Command",
    "Deny",
    "Dialect",
    "Ending",
    "Failed",
    "Gone",
    "Head",
    "Headers",
    "Inspector",
    "Judge",
    "Lower",
    "Outcome",
    "Peer",
    "Permit",
    "Plan",
    "Problem",
    "Reason",
    "Record",
    "RefusalCode",
    "Refused",
    "Relay",
    "Relayed",
    "Reply",
    "Route",
    "Rung",
    "Settlement",
    "Sink",
    "Slots",
    "Source",
    "Step",
    "Stream",
    "Target",
    "Ticket",
    "UnreadableCode",
    "Verdict",
    "Violation",
    "ViolationCode",
]
