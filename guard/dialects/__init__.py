"""Dialects: the HTTP interfaces of families of model servers. Each has a file of its own, and one line here.

Here: a family's layout of bodies, its errors and the party at fault for each, its versions, its management paths.
Not here: how `guard init` recognises a server (`guard.kit.init`), and how requests to it are built (`guard.kit`).
"""

from typing import Final

from guard.dialects.json import Json
from guard.dialects.kserve import KServe
from guard.dialects.mlflow import MLflow
from guard.dialects.oip import OpenInference
from guard.dialects.openai import OpenAI
from guard.dialects.raw import Raw
from guard.dialects.sagemaker import SageMaker
from guard.dialects.tei import TextEmbeddings
from guard.dialects.tfserving import TensorFlowServing
from guard.dialects.vertex import Vertex
from guard.proxy.values import Dialect

_ALL: Final[tuple[Dialect, ...]] = (
    Json(),
    OpenInference(),
    KServe(),
    TensorFlowServing(),
    Vertex(),
    MLflow(),
    SageMaker(),
    OpenAI(),
    TextEmbeddings(),
)

DIALECTS: Final[dict[str, Dialect]] = {dialect.name: dialect for dialect in _ALL}
"""Every dialect, by the name that a policy uses."""

DEFAULT: Final = Json.name
"""Name of the dialect of a route that names none."""

RAW: Final[Dialect] = Raw()
"""Dialect of passthrough routes; a policy cannot name it."""
