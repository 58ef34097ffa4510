"""MLflow's own scoring client, as a user has it: `mlflow_client.py HOST PORT`; prints what it got, as JSON."""

import json
import re
import sys

import numpy as np
import pandas as pd
from mlflow.exceptions import RestException
from mlflow.pyfunc.scoring_server.client import ScoringServerClient

COLUMNS = ["sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)"]
ROWS = [[5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5]]


def frame(*rows, **more):
    """Rows as a data frame, with more columns."""
    return pd.DataFrame(rows, columns=COLUMNS).assign(**more)


def invoke(client, data, params=None):
    """Predictions; or the status, and the error as MLflow's REST clients parse it."""
    try:
        found = client.invoke(data, params=params).get_predictions()
        return found.iloc[:, 0].tolist() if isinstance(found, pd.DataFrame) else found
    except Exception as error:
        status, body = re.match(r"Invocation failed \(error code (\d+), response: (.*)\)$", str(error), re.DOTALL).groups()
        parsed = RestException(json.loads(body))
        return {"status": int(status), "error_code": parsed.error_code, "message": parsed.message, "body": body}


def main(host, port):
    """Everything that a user does with it."""
    client = ScoringServerClient(host, int(port))
    client.wait_server_ready(timeout=30)
    by_name = {
        "version": client.get_version(),
        "frame": invoke(client, frame(*ROWS)),
        "more": invoke(client, frame(*ROWS, plant=["p1", "p2"])),
        "many": invoke(client, frame(*ROWS * 1000)),
        "array": invoke(client, np.array(ROWS)),
        "below": invoke(client, frame([-1.0, 3.5, 1.4, 0.2])),
        "missing": invoke(client, frame([float("nan"), 3.5, 1.4, 0.2])),
        "text": invoke(client, pd.DataFrame([["wide", 3.5, 1.4, 0.2]], columns=COLUMNS)),
        "short": invoke(client, pd.DataFrame([[3.5, 1.4, 0.2]], columns=COLUMNS[1:])),
        "params": invoke(client, frame(*ROWS), params={"temperature": 1}),
        "fault": invoke(client, frame([7.77, 3.5, 1.4, 0.2])),
    }
    print(json.dumps(by_name))


if __name__ == "__main__":
    main(*sys.argv[1:])
