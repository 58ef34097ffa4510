"""The forms of the report. Each is a function of the evidence document, and a file."""
