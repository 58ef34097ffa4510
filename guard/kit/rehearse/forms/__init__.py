"""The forms of a rehearsal's report.

Here: one file for each form, a function of the evidence document and of nothing else.
Not here: what is measured or checked: that is in the document already (`guard.kit.rehearse.report`).
"""
