"""What the OTEL_* variables ask for, and that their values are never repeated."""

from typing import Any

import pytest

from guard.telemetry.environment import Queue, read

SECRET = "hunter2-secret"


def test_nothing_is_exported_unless_somebody_asks() -> None:
    content = read({})
    assert not any(content.on(signal) for signal in ("traces", "metrics", "logs"))
    assert (content.ratio, content.parented, content.delta, content.exemplars, content.problems) == (
        None,
        True,
        False,
        True,
        [],
    )
    assert content.queues == {"metrics": Queue(60.0, 1, 1), "traces": Queue(5.0, 512, 2048), "logs": Queue(1.0, 512, 2048)}


@pytest.mark.parametrize(
    ("environ", "exported"),
    [
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c"}, {"traces": ("otlp",), "metrics": ("otlp",)}),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://c"}, {"metrics": ("otlp",)}),
        ({"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "http://c"}, {"logs": ("otlp",)}),
        ({"OTEL_LOGS_EXPORTER": "otlp"}, {"logs": ("otlp",)}),
        ({"OTEL_TRACES_EXPORTER": "console, otlp"}, {"traces": ("otlp", "console")}),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_TRACES_EXPORTER": "none"}, {"metrics": ("otlp",)}),
        ({"OTEL_METRICS_EXPORTER": "prometheus"}, {}),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_SDK_DISABLED": "TRUE"}, {}),
    ],
)
def test_exporters(environ: dict[str, str], exported: dict[Any, Any]) -> None:
    content = read(environ)
    assert {signal: names for signal, names in content.exporters.items() if names} == exported
    assert content.problems == []


@pytest.mark.parametrize(
    ("name", "argument", "ratio", "parented"),
    [
        ("always_on", "", 1.0, False), ("always_off", "", 0.0, False), ("traceidratio", "0.25", 0.25, False),
        ("parentbased_always_on", "", 1.0, True), ("parentbased_traceidratio", "0", 0.0, True),
        ("parentbased_traceidratio", "7", 1.0, True), ("traceidratio", "", 1.0, False),
    ],
)  # fmt: skip
def test_samplers(name: str, argument: str, ratio: float, parented: bool) -> None:
    content = read({"OTEL_TRACES_SAMPLER": name, "OTEL_TRACES_SAMPLER_ARG": argument})
    assert (content.ratio, content.parented) == (ratio, parented)


def test_attributes_and_numbers() -> None:
    content = read(
        {
            "OTEL_RESOURCE_ATTRIBUTES": "team=ml , region=eu=1", "OTEL_SERVICE_NAME": "mine",
            "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "DELTA", "OTEL_METRICS_EXEMPLAR_FILTER": "always_off",
            "OTEL_METRIC_EXPORT_INTERVAL": "500", "OTEL_BSP_MAX_QUEUE_SIZE": "10", "OTEL_BLRP_SCHEDULE_DELAY": "20",
        }
    )  # fmt: skip
    assert content.attributes == {"team": "ml", "region": "eu=1", "service.name": "mine"}
    assert (content.delta, content.exemplars) == (True, False)
    assert content.queues["metrics"].every == 0.5
    assert content.queues["traces"] == Queue(5.0, 10, 10)
    assert content.queues["logs"].every == 0.02


@pytest.mark.parametrize(
    "name",
    [
        "OTEL_METRICS_EXPORTER", "OTEL_TRACES_SAMPLER", "OTEL_METRIC_EXPORT_INTERVAL", "OTEL_BSP_MAX_QUEUE_SIZE",
        "OTEL_RESOURCE_ATTRIBUTES", "OTEL_PROPAGATORS", "OTEL_CONFIG_FILE",
    ],
)  # fmt: skip
def test_nonsense_is_a_problem_that_does_not_repeat_it(name: str) -> None:
    content = read({name: SECRET})
    assert len(content.problems) == 1
    assert name in content.problems[0]
    assert SECRET not in content.problems[0]
    assert not any(content.exporters.values())


@pytest.mark.parametrize("value", ["0", "-5", "nan", "inf", "1e99", "5s"])
def test_numbers_that_are_none_are_the_default(value: str) -> None:
    content = read({"OTEL_METRIC_EXPORT_INTERVAL": value})
    assert content.queues["metrics"].every == 60.0
    assert content.problems


def test_another_protocol_is_said() -> None:
    content = read({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"})
    assert content.on("traces")
    assert content.problems == ["OTLP for traces goes by http/protobuf only; it is sent so"]


@pytest.mark.parametrize(
    ("endpoint", "why"),
    [
        ("collector:4318", "has no scheme"),
        ("localhost", "has no scheme"),
        ("//collector:4318", "has no scheme"),
        ("grpc://collector:4317", "has a scheme that is not http or https"),
        ("unix:///run/otel", "has a scheme that is not http or https"),
        ("http://", "names no host"),
        ("http://:4318", "names no host"),
        ("http://collector:99999", "has a port that is not a number up to 65535"),
        ("http://collector:port", "has a port that is not a number up to 65535"),
        ("http://[::1", "has a host that is no address"),
        ("http://collector:4318", ""),
        ("HTTPS://collector/otlp", ""),
        ("http://[::1]:4318", ""),
    ],
)
@pytest.mark.parametrize("variable", ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"])
def test_an_endpoint_that_nothing_can_send_to_is_a_problem_with_its_reason(variable: str, endpoint: str, why: str) -> None:
    environment = read({variable: endpoint})
    assert environment.exporters["traces"] == (() if why else ("otlp",))
    expected = [f"{variable} {why}; write http://HOST:4318. Traces are not sent by OTLP"] if why else []
    assert [problem for problem in environment.problems if "Traces" in problem] == expected
    assert endpoint in "http://HOST:4318" or not any(endpoint in problem for problem in environment.problems)
