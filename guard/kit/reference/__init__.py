"""`guard reference`: makes the reference that monitoring compares live traffic with, and shows one.

Here: reading a validation set, sending it through the model, and counting rows and answers as cells.
Not here: the file's format and its cells (`guard.monitoring.reference`); what a running guard learns (`guard.control`).

    rows     a CSV or JSON lines file → instances, one at a time
    subject  the route, and what of it is watched
    make     instances → requests → answers → counts, in constant memory
    show     a reference as a table with bars
"""
