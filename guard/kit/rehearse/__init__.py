"""`guard rehearse`: a service before its launch, with requests like those that production will send.

Five parts, one file each and a line in `parts`: the team's own examples, messy requests made from the contract, the model
server asked without guard between, load, and each rung of the ladder. At the end everything that left guard is searched
for what was sent. A part writes `Check`s and figures as it goes, so that an interrupted rehearsal still says what it saw;
the forms of the report (terminal, HTML, JSON, JUnit) read nothing else.
"""
