"""The policy: YAML as typed, frozen models, and what is made of them."""
