"""What the records tell: logs now, metrics and traces to come."""
