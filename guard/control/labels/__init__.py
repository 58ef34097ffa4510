"""Labels on disk and at the API: which rows have one already, the counts, and the endpoint's work.

Here: rows that have a label (`seen`), counts on disk (`ledger`), batches (`intake`), task and settings (`keeper`).
Not here: receipts, figures and intervals (`guard.labels`).
"""
