"""The ladder: the ordered sources of an answer, and what closes them.

Here: the rungs, one file each; the breaker, the modes and the concurrency limits. Pure; time is an argument.
Not here: how a ladder is declared (`guard.policy.ladder`), compiled (`guard.policy`) or ordered down (`guard.control`).

The rungs are asked, and closed, in `guard.proxy.pipeline`; whether an answer may be given is decided in
`guard.proxy.acceptance`.

model                             the two rungs that call a server: `model` and `previous`
cached, cache_control             the rung that repeats answers, and which answers may be kept and given
rules, expressions                the rung of rules, and its expressions
cel_tree, cel_text, cel_absent    CEL: parsed, written for the engine, and warned about
trial                             which requests the candidate is asked, above the model
disabled                          the last rung: its status, body and Retry-After
breaker                           when a target is left alone, and when it is tried again
limits                            how many calls are made at once, and how many wait
mode                              orders of operators → the highest rung that may answer
"""
