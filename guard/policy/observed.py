"""The policy of `guard serve --upstream URL`: everything passes and is observed, but what is meant for operators.

It is text like any policy, so that it can be printed, and grow into one.
"""

from pathlib import Path
from typing import Final

NAME: Final = Path("(no policy)")
METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

CONTROL_PLANE: Final = (
    # Triton, MLServer: load and unload models, map memory, change logging and tracing
    "/v2/repository/*", "/v2/systemsharedmemory/*", "/v2/cudasharedmemory/*", "/v2/trace/*", "/v2/logging",
    "/v2/models/{model}/trace/*",
    # vLLM, SGLang, LiteLLM: adapters, sleep, weights, caches, profiles
    "/v1/load_lora_adapter", "/v1/unload_lora_adapter", "/sleep", "/wake_up", "/reset_prefix_cache", "/collective_rpc",
    "/flush_cache", "/update_weights_from_disk", "/start_profile", "/stop_profile",
    # Ollama: fetch, make and remove models
    "/api/pull", "/api/push", "/api/create", "/api/copy", "/api/delete",
    # Ray Serve, MLflow and others: deploy and stop
    "/api/serve/*", "/shutdown", "/admin/*",
)  # fmt: skip
"""What model servers offer to their operators on the port of their clients."""

_HEAD: Final = """\
version: guard/v1
service: observed
upstream: {upstream}
listen: {{data: '127.0.0.1:8900', admin: '127.0.0.1:8901', ops: '127.0.0.1:8902'}}
routes:
"""


def observed(upstream: str) -> str:
    """The text of a policy that only looks on."""
    denied = [f"  {method} {path}: denied\n" for path in CONTROL_PLANE for method in METHODS]
    passed = [f"  {method} /*: passthrough\n" for method in METHODS]
    return _HEAD.format(upstream=upstream) + "".join(_quoted(line) for line in denied + passed)


def _quoted(line: str) -> str:
    """Keys with braces are quoted in YAML."""
    key, _, word = line.strip().rpartition(": ")
    return f"  '{key}': {word}\n"
