"""Service level objectives in a running process: measured from records, kept over restarts, and acted on.

Here: scopes and their objectives, descents, what survives a restart, and what others read of it.
Not here: burn rates and their states (`guard.targets`), orders of people (`guard.control.order_store`).

scope       one route, or the service: a series and a state for each objective
keeper      counts records into scopes, reads them each second, and answers what others ask of them
descents    lowers routes that burn, and raises them again
volume      silence and surge against the expected rate
state_file  what a restart restores
document    the JSON of `GET /admin/v1/slo`, and the metrics
"""
