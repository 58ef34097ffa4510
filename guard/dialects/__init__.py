"""Dialects: how families of model servers speak HTTP. One file each, and one line here.

Here: a family's layout of bodies, its errors and whose fault they are, its versions, its management paths.
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
"""By the name that a policy uses."""

DEFAULT: Final = Json.name
"""The dialect of a route that names none."""

RAW: Final[Dialect] = Raw()
"""Of passthrough routes; no policy names it."""
