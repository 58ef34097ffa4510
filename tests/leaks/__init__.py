"""The leak hunt: nothing that a client or a model says leaves the process unless declared."""
