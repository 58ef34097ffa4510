"""What a route accepts and returns: strict JSON, fields → validators, violations. Pure; time is an argument."""
