"""Model servers with a fault that a rehearsal must find, and one without."""
