"""`guard checklist`: what is missing before a launch, in nine sections, each item with its evidence and its fix.

Here: a pure file for each section, facts → items; `gather`, which alone reads; and the forms of the result.
Not here: what makes the evidence: `guard.kit.rehearse`, `guard.kit.release`, `guard.kit.drill`.

values     item, section, and the facts that sections are made of
words      how evidence and fixes are said
gather     the facts: policy, evidence files, pipelines, a live guard (the only place that reads anything)
live       the ops page of a guard that runs, and its status
pages      a page read within bounds
pipelines  what the repository's CI runs

release_record … next_release   a section each: pure, facts → items, all of the same shape
reference  of section 5: the reference of monitoring
registry   the nine, in their order

table, markdown, junit, document   forms of the result
run        the command
"""
