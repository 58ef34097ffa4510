"""Telemetry: what is made of Records. Metrics, traces and the log's lines, and how they leave the process.

Here: sinks that count and write, the table of instruments, the page for scrapers, OTLP and its threads.
Not here: which sinks run (`guard.control.telemetry`), and what may be shown of a route (`guard.policy`).
"""
