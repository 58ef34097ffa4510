"""The control plane: what operators see and order, and what keeps one process alive.

Here: admin API, orders, audit, state folder, reload, listeners of operators and probes, background tasks.
Not here: requests of clients (`guard.proxy`), instruments (`guard.telemetry`), commands (`guard.kit`).

What operators see and order:

admin, admin_bodies, openapi      the endpoints of the admin API, the bodies they take, and their page for machines
admin_service, viewers            what the endpoints answer, and documents that many read at once
admin_protocol, gate              the HTTP of that API, and who may ask
tokens, keys, listener            operators' tokens: their format, those in force, and the one made for this machine
admin_runtime                     all of it in one process, with the kill file
order_store, kill_file            orders in force
journal, orders_file              the same orders on disk
audit, audit_reader               who did what
source_window                     which sources answered lately
console, policy_view              the page for browsers, and the policy in force as a document

The policy, from files to what is in force:

reload, policy_store, last_good   when files are read again, the one writer, and the saved policy
watched_files, secrets            files that a policy names
tls, certificate                  files of TLS, and the certificate that clients see
upstream, versions                connections to model servers, and the versions that they serve

What keeps the process alive, and what it reports:

ops, acceptor                     the pages for probes and scrapers, and the listener under them and the admin API
readiness, shutdown               when traffic may come, and the end
supervisor, watchdog, worker      background tasks, a loop that stands still, and threads
process, place                    settings of the process, and places in the code (`file:line:function`)
state                             the folder that survives a restart
budgets                           the files that keep what budgets have spent
monitoring                        monitors of a running guard: counted, judged once a second, kept
slo                               objectives: measured, kept over a restart, acted on
release_path, release_api         the next release: orders, its share, promotion and rollback; its endpoints
shadow, shadow_call, release_shadow  copies of requests for the candidate, and the pairs that they make
release_report, release_evidence  its verdict as JSON, and what its answers have proven, on disk
release_history                   what became of each release, in a chain of hashes
labels                            receipts and labels on disk, and their endpoint
event_bus, incidents              who receives events, and who is informed of trouble
telemetry, duration_bounds        sinks and exporters of one process, and the bounds of histograms
process_collector, own_health     gauges read at a scrape, and guard's own health
"""
