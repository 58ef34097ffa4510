"""`guard privacy`: for each field and output its sensitivity, and in what form it reaches whom.

Here: policy → report, the questions of a reviewer, and the report as text or JSON.
Not here: detectors and treatments themselves (`guard.privacy`), and what telemetry may show (`guard.policy`).

values    what a report says
forms     where a value goes, and in what form; one function for each place
fields    the rows of a route: every field, and every part of one
facts     the request itself, telemetry, what is kept
counted   what monitoring and labels count of values
review    what a reviewer should question
report    policy → report
markdown  report → text for people
document  report → JSON (docs/privacy.schema.json)
"""
