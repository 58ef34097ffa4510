"""Resolve pyproject.toml into requirements/*.lock: exact versions, all hashes, no index addresses."""

import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
project = tomllib.loads((HERE.parent / "pyproject.toml").read_text(encoding="utf-8"))
runtime = project["project"]["dependencies"]
sets = {
    "runtime": runtime,
    "demo": runtime + project["project"]["optional-dependencies"]["demo"],
    "dev": runtime + project["project"]["optional-dependencies"]["demo"] + project["dependency-groups"]["dev"],
    "bench": runtime + project["dependency-groups"]["bench"],
    "compile": runtime + project["dependency-groups"]["compile"],
    "docs": project["dependency-groups"]["docs"],
    "fuzz": runtime + project["dependency-groups"]["fuzz"],
    "deploy": project["dependency-groups"]["deploy"],
    # Servers that tests talk to, each in an environment of its own.
    **{name: project["dependency-groups"][name] for name in ("rotel", "mlserver", "mlflow", "kserve")},
}

subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "uv"], check=True)
for name, requirements in sets.items():
    with tempfile.NamedTemporaryFile("w", suffix=".in", encoding="utf-8") as source:
        source.write("\n".join(requirements))
        source.flush()
        subprocess.run(
            [
                sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--universal", "--python-version", "3.11",
                "--generate-hashes", "--no-emit-index-url", "--no-emit-find-links", "--no-annotate", "--no-header",
                "--output-file", str(HERE / f"{name}.lock"), source.name,
            ],
            check=True,
        )  # fmt: skip
