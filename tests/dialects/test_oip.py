"""What only the Open Inference Protocol has: shapes, datatypes, raw tensors, shared memory, content codings."""

import gzip
import json
import struct
import zlib
from typing import Any

import pytest

from guard.dialects import DIALECTS
from guard.proxy.values import Allow, Answer, Closed, Deny
from tests.dialects.speaking import ASKED, JSON, ask, compiled, dumps, forwarded, own, refused

IMAGE = """
dialect: oip
input:
  image: {type: array, items: {type: number, min: 0, max: 1}, datatype: FP32, shape: [-1, 3, 2]}
  note: {type: string, required: false, detect: [email]}
output:
  probabilities: {type: array, items: {type: number, min: 0, max: 1}}
"""
TABLE = """
dialect: oip
rows: /input-0
columns: [age, income]
input: {age: {type: integer, min: 18}, income: {type: number}}
output: {predict: {type: integer, enum: [0, 1]}}
fallback: {predict: 0}
"""
WHOLE = "dialect: oip\ninput: {x: {type: array, items: {type: number, max: 9}, datatype: FP32, shape: [4]}}\n"
TARGET = b"/v2/models/iris/versions/3/infer"


def tensor(name: str = "image", datatype: str = "FP32", shape: tuple[int, ...] = (1, 3, 2), **rest: Any) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": list(shape), **rest}


def body_of(*tensors: dict[str, Any], **rest: Any) -> bytes:
    return dumps({"inputs": list(tensors), **rest})


@pytest.mark.parametrize("data", [[0, 0.1, 0.2, 0.3, 0.4, 1], [[[0, 0.1], [0.2, 0.3], [0.4, 1]]]])
def test_data_may_be_flat_or_nested(data: Any) -> None:
    permit = ask(compiled(IMAGE), JSON, body_of(tensor(data=data)))
    assert permit.document == [{"image": [0, 0.1, 0.2, 0.3, 0.4, 1]}]
    [sent] = json.loads(forwarded(permit)[1])["inputs"]
    assert sent == {"name": "image", "datatype": "FP32", "shape": [1, 3, 2], "data": [0, 0.1, 0.2, 0.3, 0.4, 1]}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (tensor(data=[1, 2, 3]), "/inputs/0/data shape"),
        (tensor(data=[[1, 2], 3]), "/inputs/0/data shape"),
        (tensor(), "/inputs/0/data shape"),
        (tensor(shape=(1, 6), data=[0] * 6), "/inputs/0/shape shape"),
        (tensor(shape=(1, 2, 3), data=[0] * 6), "/inputs/0/shape shape"),
        (tensor(shape=(-1, 3, 2), data=[0] * 6), "/inputs/0/shape type"),
        (tensor(shape=(1 << 40, 3, 2), data=[0] * 6), "/inputs/0/shape max"),
        (tensor(name="other", shape=(1 << 40, 0), data=[]), "/inputs/0/shape max"),
        (tensor(datatype="FP64", data=[0] * 6), "/inputs/0/datatype type"),
        (tensor(datatype="FLOAT", data=[0] * 6), "/inputs/0/datatype type"),
        (tensor(datatype="FP16", data=[0] * 6), "/inputs/0/datatype type"),
        (tensor(data=[0, 0, 0, 2, 0, 0]), "/inputs/0/data/3 max"),
        (tensor(data=[[[0, 0], [0, 2], [0, 0]]]), "/inputs/0/data/0/1/1 max"),
        (tensor(data=[0] * 6, extra=1), "/inputs/0 shape"),
        (tensor(name="other", data=[0] * 6), "/inputs/- missing"),
        (tensor(parameters={"shared_memory_region": "r"}), "/inputs/0/parameters/shared_memory_region unknown"),
        (tensor(parameters={"binary_data_size": 24}), "/inputs/0/parameters/binary_data_size shape"),
    ],
)
def test_a_tensor_that_is_not_as_declared_is_refused_at_its_place(wrong: dict[str, Any], said: str) -> None:
    assert refused(compiled(IMAGE), JSON, body_of(wrong)) == [said]


def test_a_tensor_twice_and_batches_that_differ_are_refused() -> None:
    one = tensor(data=[0] * 6)
    assert refused(compiled(IMAGE), JSON, body_of(one, one)) == ["/inputs items"]
    notes = tensor("note", "BYTES", (2,), data=["a", "b"])
    assert refused(compiled(IMAGE), JSON, body_of(one, notes)) == ["/inputs/1/shape shape"]


def test_text_is_redacted_in_json_and_in_raw_bytes_and_every_length_is_true_again() -> None:
    route, texts = compiled(IMAGE), ["write to ann@example.com", "no"]
    pixels = tensor(shape=(2, 3, 2), data=[0] * 12)
    plain = body_of(pixels, tensor("note", "BYTES", (2,), data=texts))
    sent = json.loads(forwarded(ask(route, JSON, plain))[1])
    assert sent["inputs"][1]["data"] == ["write to [email]", "no"]
    raw = b"".join(struct.pack("<I", len(text)) + text.encode() for text in texts)
    image = struct.pack("<12f", *[0.5] * 12)
    text = body_of(
        tensor(shape=(2, 3, 2), parameters={"binary_data_size": len(image)}),
        tensor("note", "BYTES", (2,), parameters={"binary_data_size": len(raw)}),
    )
    headers, body = forwarded(ask(route, [(b"inference-header-content-length", b"%d" % len(text))], text + image + raw))
    length = int(dict(headers)[b"inference-header-content-length"])
    document = json.loads(body[:length])
    sizes = [field["parameters"]["binary_data_size"] for field in document["inputs"]]
    assert sizes == [48, 4 + 16 + 4 + 2]
    assert len(body) == length + sum(sizes)
    assert body[length : length + 48] == image
    assert body[length + 48 :] == b"\x10\0\0\0write to [email]\x02\0\0\0no"


def test_one_tensor_may_hold_positional_rows() -> None:
    route = compiled(TABLE)
    permit = ask(route, JSON, body_of(tensor("input-0", "FP64", (2, 2), data=[20.0, 1.5, 30.0, 2.5])))
    assert permit.document == [{"age": 20, "income": 1.5}, {"age": 30, "income": 2.5}]
    wrong = body_of(tensor("input-0", "FP64", (2, 2), data=[[20.0, 1.5], [3.0, 2.5]]))
    assert refused(route, JSON, wrong) == ["/inputs/0/data/1/0 min"]
    assert refused(route, JSON, body_of(tensor("input-0", "FP64", (1, 3), data=[1, 2, 3]))) == ["/inputs/0/shape shape"]


def test_rules_echo_the_requests_id_and_model() -> None:
    route = compiled(TABLE)
    body = body_of(tensor("input-0", "FP64", (2, 2), data=[20.0, 1.5, 30.0, 2.5]), id="42")
    answer = json.loads(own(route, ask(route, JSON, body, TARGET)).body)
    assert answer == {
        "model_name": "iris", "id": "42",
        "outputs": [{"name": "predict", "shape": [2], "datatype": "INT64", "data": [0, 0]}],
    }  # fmt: skip


def test_a_tensor_without_a_batch_is_one_instance() -> None:
    permit = ask(compiled(WHOLE), JSON, body_of(tensor("x", shape=(4,), data=[1, 2, 3, 4])))
    assert permit.document == [{"x": [1, 2, 3, 4]}]
    assert refused(compiled(WHOLE), JSON, body_of(tensor("x", shape=(4,), data=[1, 2, 3, 10]))) == ["/inputs/0/data/3 max"]


def test_a_body_without_json_is_the_one_declared_tensor() -> None:
    headers = [(b"inference-header-content-length", b"0")]
    raw = struct.pack("<4f", 1, 2, 3, 4)
    assert forwarded(ask(compiled(WHOLE), headers, raw))[1] == raw
    for wrong in (raw[:-1], raw + raw):
        assert refused(compiled(WHOLE), headers, wrong) == [" shape"]
    assert refused(compiled(WHOLE), headers, struct.pack("<4f", 1, 2, 3, 10)) == ["/inputs/0 max"]


@pytest.mark.parametrize(("coding", "press"), [(b"gzip", gzip.compress), (b"deflate", zlib.compress)])
def test_compressed_bodies_are_read_within_the_limit_and_forwarded_plain(coding: bytes, press: Any) -> None:
    route = compiled(IMAGE + "max_body: 1KiB\n")
    headers = [*JSON, (b"content-encoding", coding)]
    sent, body = forwarded(ask(route, headers, press(body_of(tensor(data=[0] * 6)))))
    assert b"content-encoding" not in dict(sent)
    assert json.loads(body)["inputs"]
    assert refused(route, headers, press(body_of(tensor(data=[0] * 6)) + b" " * 2000)) == ["body_too_large"]
    assert refused(route, headers, press(b"{}")[:-3]) == ["coding_malformed"]
    assert refused(route, headers, b"nonsense") == ["coding_malformed"]
    assert refused(route, [*JSON, (b"content-encoding", b"br")], b"{}") == ["coding_unsupported"]


def test_answers_in_raw_bytes_are_judged_and_tell_their_version() -> None:
    output = compiled(IMAGE).output
    assert output is not None
    raw = struct.pack("<4f", 0.25, 0.75, 0.5, 0.5)
    entry = tensor("probabilities", "FP32", (2, 2), parameters={"binary_data_size": 16})
    text = dumps({"model_name": "m", "model_version": "7", "outputs": [entry]})
    headers = [(b"inference-header-content-length", b"%d" % len(text))]
    verdict = output.judge(text + raw, 2, headers)
    assert isinstance(verdict, Allow)
    assert verdict.version == "7"
    assert output.measured(verdict.document) == [[[0.25, 0.75], [0.5, 0.5]]]
    for bad in (text + raw + b"x", text + raw[:-1], text, text + struct.pack("<4f", 0.25, float("nan"), 0.5, 0.5)):
        assert isinstance(output.judge(bad, 2, headers), Deny)


@pytest.mark.parametrize(
    ("status", "error", "outcome"),
    [
        (400, "[request id: 1] unexpected shape for input 'x' for model 'm'", "client_fault"),
        (400, "SKLearnModel only supports 'predict' outputs", "client_fault"),
        (400, "inference input data-type is 'INT32', model expects 'FP32' for 'm'", "client_fault"),
        (400, "mlserver.errors.InferenceError: SKLearnModel only supports 'predict' (nope was received)", "client_fault"),
        (400, "unexpected inference input 'it is not ready, and is not found' for model 'm'", "client_fault"),
        (400, "cannot allocate for 'an input that must be expected'", "model_fault"),
        (400, "Model iris is not ready yet.", "unavailable"),
        (400, "division by zero", "model_fault"),
        (404, "Model iris not found", "unavailable"),
        (422, "", "client_fault"),
        (429, "", "overload"),
        (500, "Failed to process the request(s) for model instance 'm_0'", "model_fault"),
        (503, "", "overload"),
    ],
)
def test_whose_fault_an_error_is(status: int, error: str, outcome: str) -> None:
    assert DIALECTS["oip"].outcome(Answer(status, [], dumps({"error": error})), ASKED) == outcome


def test_the_target_may_name_the_version() -> None:
    assert DIALECTS["oip"].version(TARGET.decode()) == "3"
    assert DIALECTS["oip"].version("/v2/models/versions/infer") == ""
    assert DIALECTS["tfserving"].version("/v1/models/m/versions/12:predict") == "12"
    assert DIALECTS["tfserving"].version("/v1/models/m:predict") == ""


GENERATE = "dialect: oip\ninput: {text_input: {type: string, max_length: 5}}\noutput: {text_output: {type: string}}\n"


def test_the_generate_extension_is_text() -> None:
    route = compiled(GENERATE, "POST /v2/models/m/generate")
    assert ask(route, JSON, b'{"text_input":"hi"}').document == {"text_input": "hi"}
    assert refused(route, JSON, b'{"text_input":"too long"}') == ["/text_input length"]
    assert route.output is not None
    assert isinstance(route.output.judge(b'{"text_output":"x","model_version":"2"}', None, []), Allow)
    assert ask(compiled(GENERATE, "POST /v2/models/m/generate_stream"), JSON, b'{"text_input":"hi"}').streamed


def test_a_request_of_a_sequence_reaches_a_stateful_model_once() -> None:
    kept = "  - cached: {max_age: 1h}\n  - rules: [{answer: {predict: 0}}]\n"
    route = compiled("repeatable: true\n" + TABLE.replace("fallback: {predict: 0}\n", "fallback:\n" + kept))
    model, cached, *_ = route.ladder
    table = tensor("input-0", "FP64", (1, 2), data=[20, 1])
    for parameters, twice in (({}, True), ({"sequence_id": 7, "sequence_start": True}, False)):
        permit = ask(route, JSON, body_of(table, parameters=parameters))
        assert model.ask(permit, None, 0.0).repeatable is twice
        assert route.remember is not None
        route.remember(permit, Answer(200, JSON, dumps({"outputs": []})), 0.0, "")
        assert isinstance(cached.ask(permit, None, 0.0), Closed) is not twice


def test_json_that_says_no_type_is_sent_on_with_its_own() -> None:
    """As tritonclient sends it; KServe takes no JSON without."""
    headers, _ = forwarded(ask(compiled(TABLE), [], body_of(tensor("input-0", "FP64", (1, 2), data=[34, 1.5]))))
    assert (b"content-type", b"application/json") in headers


def test_what_kserves_client_adds_is_taken_and_not_sent_on() -> None:
    one = tensor("input-0", "FP64", (1, 2), data=[34, 1.5])
    route = compiled("undeclared: reject\n" + TABLE)
    _, sent = forwarded(ask(route, JSON, body_of(one, model_name="other")))
    assert json.loads(sent).keys() == {"inputs"}
    assert refused(route, JSON, body_of(one, model="other")) == ["/<undeclared> unknown"]


@pytest.mark.parametrize("value", [True, 1, 0.5, "a", {"a": 1}, None, [True], [[]]])
@pytest.mark.parametrize("member", ["inputs", "outputs"])
def test_a_member_of_another_form_is_refused_and_no_crash(member: str, value: Any) -> None:
    body = dumps({"inputs": [tensor(data=[0] * 6)], member: value})
    if member == "outputs" and value is None:
        assert ask(compiled(IMAGE), JSON, body).document
    else:
        assert refused(compiled(IMAGE), JSON, body)


@pytest.mark.parametrize(
    ("declared", "answer", "shape"),
    [
        ("{type: integer}", 7, [2]),
        ("{type: integer, shape: [-1, 1]}", 7, [2, 1]),
        ("{type: integer, shape: [-1]}", 7, [2]),
        ("{type: array, items: {type: integer}}", [1, 2, 3, 4], [2, 4]),
        ("{type: array, shape: [-1, 2, 2], items: {type: integer}}", [1, 2, 3, 4], [2, 2, 2]),
        ("{type: array, shape: [-1, 2, -1], items: {type: integer}}", [1, 2, 3, 4], [2, 2, 2]),
        ("{type: array, shape: [-1, -1, -1], items: {type: integer}}", [1, 2, 3, 4], [2, 4]),
        ("{type: array, shape: [-1, 3], items: {type: integer}}", [1, 2, 3, 4], [2, 4]),
    ],
)
def test_an_answer_of_guards_own_has_the_declared_shape(declared: str, answer: object, shape: list[int]) -> None:
    """As the model answers, so that a client that reads [N, 1] reads the fallback, too."""
    policy = TABLE.replace("{type: integer, enum: [0, 1]}", declared).replace("{predict: 0}", f"{{predict: {answer}}}")
    permit = ask(compiled(policy), JSON, body_of(tensor("input-0", "FP64", (2, 2), data=[20, 1, 30, 2])))
    rules = permit.route.ladder[1]
    [output] = json.loads(rules.ask(permit, None, 0.0).body)["outputs"]
    assert output["shape"] == shape
