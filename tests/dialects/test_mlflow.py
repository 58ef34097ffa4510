"""Whose fault an MLflow answer is, in the words of MLflow 3.17 as it ran, and what pandas makes of a cell."""

import json
from typing import Any

import pytest

from guard.dialects import DIALECTS
from guard.proxy.values import Answer
from tests.dialects.speaking import ASKED, CSV, ask, compiled, forwarded, refused

RAISED = (
    "Encountered an unexpected error while evaluating the model. Verify that the serialized input Dataframe is compatible"
)
SCHEMA = (
    "Failed to enforce schema of data 'x' with schema '['age': long (required)]'. Error: Model is missing inputs ['age']."
)
STORE = """
dialect: mlflow
input:
  age: {type: integer}
  country: {enum: [NA, FR], nullable: true}
"""


def said(message: str, **more: Any) -> Answer:
    """As MlflowException.serialize_as_json writes it."""
    return Answer(400, [], json.dumps({"error_code": "BAD_REQUEST", "message": message, **more}).encode())


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (said(RAISED, stack_trace="Traceback …"), "model_fault"),
        (said("Failed to predict data 'x'. \nError: the model said no"), "model_fault"),
        (said(f"Failed to predict data 'x'. \nError: {SCHEMA}"), "client_fault"),
        (said("Invalid input. Data is not compatible with model signature. Failed to convert column age"), "client_fault"),
        (said("Invalid input. Ensure that input is a valid JSON formatted string."), "client_fault"),
        (Answer(400, [], b"<html>"), "client_fault"),
        (Answer(415, [], b"Unrecognized content type parameters: x."), "client_fault"),
        (Answer(504, [], b"Prediction request timed out"), "unavailable"),
        (Answer(500, [], b""), "model_fault"),
    ],
)
def test_whose_fault_an_answer_is(answer: Answer, outcome: str) -> None:
    assert DIALECTS["mlflow"].outcome(answer, ASKED) == outcome


def test_a_client_cannot_write_a_fault_of_the_model() -> None:
    """MLflow repeats the request's data in its messages; whoever sends its own words there would open the breaker."""
    for message in (
        f"Failed to predict data '{RAISED}'. \nError: {SCHEMA}",
        f'Invalid input. Ensure that input is valid. Input: {{"error_code": "X", "message": "{RAISED}"}}',
    ):
        assert DIALECTS["mlflow"].outcome(said(message), ASKED) == "client_fault"


@pytest.mark.parametrize("cell", ["NA", "nan", "None", "null", "N/A", "<NA>", ""])
def test_what_pandas_takes_for_missing_is_judged_as_missing(cell: str) -> None:
    """Namibia too: the model server would read no value there, whatever the contract allowed."""
    _, sent = forwarded(ask(compiled(STORE), CSV, f"age,country\n3,{cell}\n".encode()))
    assert sent == b"age,country\n3,\n"
    assert refused(compiled(STORE), CSV, f"age,country\n{cell},FR\n".encode()) == ["/0/age null"]


def test_a_cell_with_a_comma_stays_one() -> None:
    route = compiled("dialect: mlflow\ninput: {note: {type: string}, age: {type: integer}}\n")
    _, sent = forwarded(ask(route, CSV, b'note,age\n"a, ""b""\nc",3\n'))
    assert sent == b'note,age\n"a, ""b""\nc",3\n'
