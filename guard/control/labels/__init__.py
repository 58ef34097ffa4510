"""Labels on disk and at the API: which rows have one already, the counts, and the endpoint's work.

Here: files of rows that have a label (`seen`), counts kept over restarts (`ledger`), a batch of labels (`intake`), and the
task and settings of a running guard (`keeper`).
Not here: receipts, figures and intervals (`guard.labels`).
"""
