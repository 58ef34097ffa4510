"""Events of labels."""

import logging

from guard.events.base import Event, event


@event("labels_damaged", logging.ERROR)
class LabelsDamaged(Event):
    """A file of labels is not as guard left it. `file`: its name in the state folder.

    Labels are refused if it is one of those that let a label count once. The file of counts is set aside, and counting
    begins anew.
    """

    file: str
    why: str


@event("labels_unavailable", logging.WARNING)
class LabelsUnavailable(Event):
    """Labels cannot be taken or kept: no key, or no state folder that can be written."""

    why: str
