"""What kustomize makes of a folder, as far as deploy/kubernetes uses it; kustomize itself cannot be had here.

Resources, components, strategic merge patches with a target, JSON 6902 `replace`, generated ConfigMaps, images, namespace.
Lists of a strategic merge are merged by the keys that Kubernetes' schema names (x-kubernetes-patch-merge-key).
"""

import json
from pathlib import Path
from typing import Any

import yaml

MERGE_KEYS = {
    "initContainers": "name", "containers": "name", "volumes": "name", "env": "name", "ports": "containerPort",
    "volumeMounts": "mountPath",
}  # fmt: skip
KNOWN = {
    "apiVersion", "kind", "namespace", "resources", "components", "patches", "configMapGenerator", "generatorOptions", "images",
}  # fmt: skip


def build(folder: Path) -> list[dict[str, Any]]:
    """The documents of a kustomization."""
    document_read = json.loads(json.dumps(_load(folder, [])))  # no part is shared
    kustomization = _kustomization(folder)
    images = {image["name"]: image for image in kustomization.get("images", ())}
    for document in document_read:
        if document["kind"] != "Namespace":
            document["metadata"]["namespace"] = kustomization["namespace"]
        for container in containers(document):
            if container["image"] in images:
                named = images[container["image"]]
                container["image"] = f"{named['newName']}:{named['newTag']}"
    return document_read


def containers(document: dict[str, Any]) -> list[dict[str, Any]]:
    """All containers of a workload."""
    pod = document.get("spec", {}).get("template", {}).get("spec", {})
    return [*pod.get("initContainers", ()), *pod.get("containers", ())]


def _kustomization(folder: Path) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((folder / "kustomization.yaml").read_text())
    assert set(document) <= KNOWN, f"{folder}: this reader does not know {set(document) - KNOWN}"
    return document


def _load(folder: Path, above: list[dict[str, Any]]) -> list[dict[str, Any]]:
    kustomization = _kustomization(folder)
    documents = list(above)
    for name in kustomization.get("resources", ()):
        documents += yaml.safe_load_all((folder / name).read_text())
    for generator in kustomization.get("configMapGenerator", ()):
        assert kustomization["generatorOptions"] == {"disableNameSuffixHash": True}
        data = {Path(name).name: (folder / name).read_text() for name in generator["files"]}
        documents.append({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": generator["name"]}, "data": data})
    for name in kustomization.get("components", ()):
        documents = _load(folder / name, documents)
    for patch in kustomization.get("patches", ()):
        text = (folder / patch["path"]).read_text() if "path" in patch else patch["patch"]
        change = yaml.safe_load(text)
        for at, document in enumerate(documents):
            if _is_target(document, patch["target"]):
                documents[at] = _replaced(document, change) if isinstance(change, list) else _merged(document, change)
    return documents


def _is_target(document: dict[str, Any], target: dict[str, str]) -> bool:
    key, _, value = target["labelSelector"].partition("=")
    return document["kind"] == target["kind"] and document["metadata"].get("labels", {}).get(key) == value


def _replaced(document: dict[str, Any], operations: list[dict[str, Any]]) -> dict[str, Any]:
    changed: dict[str, Any] = json.loads(json.dumps(document))
    for operation in operations:
        assert operation["op"] == "replace"
        *parents, last = operation["path"].strip("/").split("/")
        node: Any = changed
        for part in parents:
            node = node[int(part) if isinstance(node, list) else part]
        assert last in node, "a replaced path must be there"
        node[last] = operation["value"]
    return changed


def _merged(base: Any, patch: Any, key: str = "") -> Any:
    if isinstance(base, dict) and isinstance(patch, dict):
        by_name = {name: value for name, value in base.items() if name not in patch}
        for name, value in patch.items():
            kept = name in base and key == "" and name in ("kind", "apiVersion")  # a target's own, not the patch's
            by_name[name] = base[name] if kept else _merged(base[name], value, name) if name in base else value
        if key == "metadata" and "name" in base:
            by_name["name"] = base["name"]
        return by_name
    if isinstance(base, list) and isinstance(patch, list) and key in MERGE_KEYS:
        by = MERGE_KEYS[key]
        added = {item[by]: item for item in patch}
        merged = [_merged(item, added.pop(item[by]), "item") if item[by] in added else item for item in base]
        return [*added.values(), *merged]  # kustomize prepends what is new
    return patch
