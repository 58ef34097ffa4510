"""`guard rehearse`: a service before its launch, with requests like those that production will send.

Here: parts that send and check, one file each and a line in `parts`; classes of messy values and bodies.
Not here: how a request looks in its dialect (`guard.kit.request_builder`), and how a report is shown (`forms`).

The parts are the team's own examples, messy requests made from the contract, the model server asked without guard,
load, each rung of the ladder, and last a search of everything that left guard for what was sent. A part writes `Check`s and
figures as it goes, so that an interrupted rehearsal still reports what it saw. The forms of the report (terminal, HTML,
JSON and JUnit) read nothing else.
"""
