"""The demo's model server: an ordinary small FastAPI service around a classifier. It knows nothing of guard."""

import argparse
from typing import Any

import uvicorn
from fastapi import FastAPI, HTTPException
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def build(*, broken: bool = False, collapsed: bool = False) -> FastAPI:
    """Train, and wrap in two routes, of a version that fails if so asked.

    `broken`: its scores are none, for the demo of a release. `collapsed`: it answers the same to everybody.
    """
    data = load_breast_cancer()
    names = [str(name) for name in data.feature_names]
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    model.fit(data.data, data.target == 0)  # the data set's 0 is malignant
    received: list[list[str]] = [[]]
    app = FastAPI()

    @app.post("/predict")
    def predict(features: dict[str, Any]) -> dict[str, Any]:
        received[0] = sorted(features)
        try:
            row = [[float(features[name]) for name in names]]
        except (KeyError, TypeError, ValueError) as error:
            raise HTTPException(400, f"bad features: {error}") from None
        score = 0.1 if collapsed else float(model.predict_proba(row)[0][1])
        return {"label": "malignant" if score >= 0.5 else "benign", "score": -1.0 if broken else score}

    @app.get("/health")
    def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/received")
    def last() -> list[str]:
        """The names that the last request brought, so that the demo can show what did not arrive."""
        return received[0]

    return app


def main() -> None:
    """Serve on loopback."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--broken", action="store_true", help="Answer a score of -1.")
    parser.add_argument("--collapsed", action="store_true", help="Answer the same to everybody.")
    given = parser.parse_args()
    uvicorn.run(
        build(broken=given.broken, collapsed=given.collapsed), host="127.0.0.1", port=given.port, log_level="warning"
    )


if __name__ == "__main__":
    main()
