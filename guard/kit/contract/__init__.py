"""`guard contract`: what each route takes and answers, for those who send and those who read.

Here: statuses, fields, effects and examples of a route, and their forms: Markdown, JSON, OpenAPI.
Not here: the contract that judges requests (`guard.contract`), and how fields are described (`guard.kit.description`).

values    what a contract says
effects   what becomes of a value that is missing, null, old or not declared
fields    the rows of a route: what to send, what comes back
requests  how a request looks in its dialect, and one that works
sources   who answers, and how its answer differs
statuses  every status and code that a route can answer with, and what to do then
codes     what a client does about each code
reasons   why a route may have no answer
build     policy → contract
markdown  contract → text for people
document  contract → JSON (docs/contract.schema.json)
openapi   contract → OpenAPI 3.1
schemas   the JSON Schemas of its bodies
formats   the three by name
"""
