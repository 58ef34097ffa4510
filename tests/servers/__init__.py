"""Real servers, written by others, that tests let guard talk to.

`rotel` takes OTLP, `prometheus` scrapes, `alertmanager` routes; `mlserver`, `mlflow`, `kserve` and `fastapi` serve a model that was trained on
scikit-learn's iris data, each its own way. `install` puts them into .cache/servers, each once. The rest are context
managers: on loopback, on a free port, ended by process id:

    with mlserver() as server:
        server.url      # http://127.0.0.1:…
        server.folder   # the model's files, and the server's log
        server.kill(); server.start()   # on the same port

`fake` starts those that cannot be installed, each written from its specification in `fakes`: Triton, TensorFlow Serving,
Vertex AI, SageMaker, the OpenAI API. Where a server cannot be had the test is skipped with the reason, or fails if GUARD_REQUIRE_SERVERS=1.
"""
