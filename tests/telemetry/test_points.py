"""Families as OpenTelemetry's data points."""

from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from guard.telemetry.accumulators import Exemplar, Histogram, Instrument
from guard.telemetry.family import Family
from guard.telemetry.instruments import SERVER_DURATION
from guard.telemetry.points import Points

COUNTER = Instrument("c", "counter", "{x}", "", ("a",))
LEVEL = Instrument("u", "updowncounter", "{x}", "")
GAUGE = Instrument("g", "gauge", "{x}", "")
LABELS = ("POST", "/p", "200", "http", "1.1", "")


def made(points: Points, counted: float, histogram: Histogram, at: int):  # type: ignore[no-untyped-def]
    families = [
        Family(COUNTER, [(("x",), counted), (None, 1)]),
        Family(SERVER_DURATION, [(LABELS, histogram)]),
        Family(LEVEL, [((), 4)]),
        Family(GAUGE, [((), 0.5)]),
    ]
    (data,) = points.batches(families, at)
    encoded = encode_metrics(data)
    return {metric.name: metric for metric in encoded.resource_metrics[0].scope_metrics[0].metrics}


def points(*, delta: bool) -> Points:
    return Points(Resource({"service.name": "s"}), InstrumentationScope("guard", "1"), 100, delta=delta)


def test_cumulative_sums_begin_when_the_process_did() -> None:
    stream, histogram = points(delta=False), Histogram(SERVER_DURATION.buckets)
    for at, value in ((200, 0.02), (300, 20.0)):
        histogram.record(value)
        found = made(stream, at / 100, histogram, at)
    point = found["c"].sum.data_points[0]
    assert (point.start_time_unix_nano, point.time_unix_nano, point.as_double) == (100, 300, 3.0)
    assert (found["c"].sum.is_monotonic, found["c"].sum.aggregation_temporality) == (True, 2)
    assert found["c"].sum.data_points[1].attributes[0].key == "otel.metric.overflow"
    whole = found["http.server.request.duration"].histogram.data_points[0]
    assert (whole.count, whole.sum, whole.bucket_counts[2], whole.bucket_counts[-1]) == (2, 20.02, 1, 1)
    assert not whole.HasField("min")
    assert (found["u"].sum.is_monotonic, found["u"].sum.data_points[0].as_int) == (False, 4)
    assert found["g"].gauge.data_points[0].as_double == 0.5


def test_deltas_begin_where_the_last_ended() -> None:
    stream, histogram = points(delta=True), Histogram(SERVER_DURATION.buckets)
    histogram.record(0.02)
    first = made(stream, 5, histogram, 200)
    histogram.record(20.0)
    second = made(stream, 7, histogram, 300)
    assert first["c"].sum.data_points[0].as_int == 5
    point = second["c"].sum.data_points[0]
    assert (point.as_int, point.start_time_unix_nano, second["c"].sum.aggregation_temporality) == (2, 200, 1)
    whole = second["http.server.request.duration"].histogram.data_points[0]
    assert (whole.count, whole.sum, whole.bucket_counts[-1]) == (1, 20.0, 1)
    assert second["u"].sum.data_points[0].as_int == 4  # a level stays a level


def test_attributes_have_the_types_of_the_conventions_and_none_is_empty() -> None:
    histogram = Histogram(SERVER_DURATION.buckets)
    histogram.exemplify(Exemplar(0.5, 1.5, 7, 9))
    whole = made(points(delta=False), 1, histogram, 200)["http.server.request.duration"].histogram.data_points[0]
    by_name = {attribute.key: attribute.value for attribute in whole.attributes}
    assert by_name["http.response.status_code"].int_value == 200
    assert "error.type" not in by_name
    (exemplar,) = whole.exemplars
    assert (exemplar.as_double, exemplar.time_unix_nano, int.from_bytes(exemplar.trace_id), int.from_bytes(exemplar.span_id)) == (
        0.5, 1_500_000_000, 7, 9,
    )  # fmt: skip
