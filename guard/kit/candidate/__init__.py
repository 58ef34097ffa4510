"""The commands that bring the next version in: tested, evaluated, planned, staged, smoked.

Here: what each step asks, of whom, and what it keeps as evidence and history.
Not here: the record of a release (`guard.kit.release`), and evidence of pairs (`guard.candidate`).

rows       labelled rows of a CSV, JSON lines or Parquet file, as instances of a contract
asking     a row → requests to both model servers, and what they answered
compare    answers of both → paired outcomes by metric and segment
metrics    accuracy, AUC, Brier score, calibration error, with intervals
evaluate   `guard release evaluate`
report     the result of an evaluation, as text
plan       `guard release plan`
tested     `guard release test`
history    the hash-chained list of steps
shown_history  `guard release history`
record     the candidate's record, where a step adds to it
declared   the policy's `candidate`, as the steps use it
staging    `guard release register` and `stage`
smoke      `guard release smoke`
engines    Docker Compose, kubectl, MLflow, a program of the user's
targets    metrics against `targets.quality` and the claimed calibration
"""
