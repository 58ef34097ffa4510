"""`guard export`: a policy as a Grafana dashboard, Prometheus rules, objectives and an Alertmanager configuration.

Here: alerts, objectives and panels for what the policy declares; what is left out is named in the file.
Not here: the series that they query (`guard.telemetry`), and what guard itself sends (`guard.control.incidents`).

scope         which series are this service's, and PromQL about them
values        an alert, a gap
slo           objectives as recording rules with Sloth's names, and their burn-rate alerts
alerts        everything else that somebody is told; one function for each
drift         alerts and panels of monitoring
own_health    alerts on guard itself: its loop, tasks, files and telemetry
owners        who is told, with runbook and dashboard
objectives    policy → objectives of OpenSLO, Sloth and Pyrra
rules         policy → rule file
layout        panels → the JSON that Grafana imports
panels        what the dashboard shows; one function for each row
grafana       policy → dashboard
alertmanager  policy → Alertmanager configuration
yaml          how the files are written

Only what the policy declares: no target, no alert; what is left out is said in the file and as a warning.
"""
