"""A model service as teams write it: FastAPI, pydantic, scikit-learn; `uvicorn fastapi_iris:app`, beside model.joblib."""

from typing import Annotated, Literal

import joblib
from fastapi import FastAPI
from pydantic import BaseModel, Field

Centimetres = Annotated[float, Field(gt=0, le=100)]


class Flower(BaseModel):
    """One plant."""

    sepal_length: Centimetres
    sepal_width: Centimetres
    petal_length: Centimetres
    petal_width: Centimetres


class Guess(BaseModel):
    """What it is."""

    species: Literal["setosa", "versicolor", "virginica"]
    confidence: Annotated[float, Field(ge=0, le=1)]


class Batch(BaseModel):
    """Many plants."""

    instances: list[Flower]


class Guesses(BaseModel):
    """What they are, in order."""

    predictions: list[Guess]


app = FastAPI(title="iris", version="2026.11")
model = joblib.load("model.joblib")


def guess(flowers):
    """Species and confidence of each."""
    rows = [list(flower.model_dump().values()) for flower in flowers]
    shares = model.predict_proba(rows)
    return [Guess(species=model.classes_[share.argmax()], confidence=share.max()) for share in shares]


@app.post("/predict")
def predict(flower: Flower) -> Guess:
    """Of one plant."""
    return guess([flower])[0]


@app.post("/predict/batch")
def predict_batch(batch: Batch) -> Guesses:
    """Of many."""
    return Guesses(predictions=guess(batch.instances))


@app.get("/health")
def health() -> dict[str, str]:
    """Whether it is there."""
    return {"status": "ok"}
