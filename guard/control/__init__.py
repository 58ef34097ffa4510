"""What operators see and steer: durable state, readiness, the ops listener, reload. Only `serve` imports it."""
