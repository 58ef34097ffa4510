"""MLflow's own client: `ask_mlflow.py HOST PORT` → its answer for two flowers as a data frame, as JSON."""

import json
import sys

import pandas as pd
from mlflow.pyfunc.scoring_server.client import ScoringServerClient

NAMES = ["sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)"]

client = ScoringServerClient(sys.argv[1], int(sys.argv[2]))
client.wait_server_ready(timeout=30)
rows = pd.DataFrame([[5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5]], columns=NAMES)
answer = client.invoke(rows).get_predictions()
print(json.dumps({"version": client.get_version(), "answer": answer.iloc[:, 0].tolist()}))
