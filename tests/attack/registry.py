"""All attacks, in the order of the table."""

from tests.attack.attacks import documents, listeners, pipelining, surroundings

ATTACKS = (*listeners.ATTACKS, *pipelining.ATTACKS, *documents.ATTACKS, *surroundings.ATTACKS)
