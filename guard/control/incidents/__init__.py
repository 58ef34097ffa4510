"""Incidents: who is told when something is wrong, once, and when it is over.

Here: which events begin and end an incident, when a notice is due, and the thread that sends it.
Not here: the formats that webhooks take (`guard.webhooks`), and alerts for Prometheus (`guard.kit.export`).

events          events, by their type → which incidents begin and end; the table of kinds
ledger          incidents: their states, and when a notice is due
violation_rate  the sink that counts, by route, the requests that break the contract
alerts          an incident → what a webhook receives, in either format
notifier        queues, retries and the thread that sends
manager         all of it in one process

Only `notifier` does I/O and only `manager` reads a clock; a notice holds words of guard, of the policy and of operators.
"""
