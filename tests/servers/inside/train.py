"""Trains on scikit-learn's iris data and saves the model as a server wants it: `train.py joblib|mlflow FOLDER`."""

import sys
from pathlib import Path

import mishap
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler


def main(kind, folder):
    """Species by name, of four measures in cm."""
    iris = load_iris(as_frame=kind == "mlflow")  # a frame needs pandas, which the others do not have or need
    species = iris.target_names.astype(object)[iris.target]  # KServe's V2 answers 500 to an array of numpy's own texts
    model = make_pipeline(FunctionTransformer(mishap.check), StandardScaler(), LogisticRegression(max_iter=500))
    model.fit(iris.data, species)
    if kind == "joblib":
        import joblib

        joblib.dump(model, folder / "model.joblib")
        return
    import mlflow.sklearn
    from mlflow.models import infer_signature

    mlflow.sklearn.save_model(
        model,
        folder / "model",
        signature=infer_signature(iris.data, model.predict(iris.data)),
        input_example=iris.data[:2],
        code_paths=[mishap.__file__],
        serialization_format="cloudpickle",
        pip_requirements=["scikit-learn"],
    )


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
