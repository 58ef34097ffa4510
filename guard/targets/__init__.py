"""Targets that are measured in the process, and act. Pure; time is an argument.

counting    the sink that counts good and bad requests
rings       events of an objective in windows
burn        burn rates, and the state that follows
descent     when a route that burns is lowered and raised
volume      silence and surge
"""
