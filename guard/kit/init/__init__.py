"""`guard init`: asks a running model server what it is, and prints a first policy that `guard serve` accepts.

Here: a source for each family of servers, the bounded probe that asks them, and the text of the draft.
Not here: the policy's own keys and checks (`guard.policy`), and how a dialect is served (`guard.dialects`).

draft      what a draft says: routes, fields, and where each came from
server     what a server said to one question
probe      asks it: bounded in time and size, nothing but GET and one harmless POST
survey     who it is: the sources, asked in order, and what they found together
oip, kserve, tfserving, openai, mlflow, tei, openapi, sagemaker
           a source each: what that family of servers says of itself → routes
mlmodel    the signature of an MLmodel file
schemas    JSON Schema → fields
bodies     where a body's instances and outputs lie
words      text of strangers, made fit for a comment, a key, a path
text       draft → YAML
settle     what guard's own loader refuses is not declared
run        the command

A source suggests; the operator decides. What a server does not say is not in the draft.
"""
