"""Every error that a person may read, with what causes it."""
