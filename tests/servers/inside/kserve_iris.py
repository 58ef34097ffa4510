"""KServe's own server, V1 and V2, around the iris model: `kserve_iris.py --http_port=PORT …`, beside model.joblib."""

from pathlib import Path

import joblib
import kserve
import uvicorn
from kserve.utils.utils import get_predict_input, get_predict_response


class Iris(kserve.Model):
    """As KServe's own sklearnserver does it."""

    def load(self):
        """Read the model."""
        self.model = joblib.load(Path("model.joblib"))
        self.ready = True
        return self.ready

    def predict(self, payload, headers=None, response_headers=None):
        """Species of each instance."""
        return get_predict_response(payload, self.model.predict(get_predict_input(payload)), self.name)


class Loopback(uvicorn.Config):
    """KServe listens on every address and has no option for that."""

    def __init__(self, app, host, **options):
        del host
        super().__init__(app, host="127.0.0.1", **options)


if __name__ == "__main__":
    uvicorn.Config = Loopback
    iris = Iris("iris")
    iris.load()
    kserve.ModelServer().start([iris])
