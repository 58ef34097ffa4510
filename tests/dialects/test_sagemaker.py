"""What only a SageMaker container has: lines in, lines out."""

import json

from tests.dialects.speaking import CSV, JSON, ask, compiled, dumps, own

LINES = """
dialect: sagemaker
columns: [age, income]
input: {age: {type: integer}, income: {type: number}}
output: {label: {enum: [yes, no]}}
fallback:
  - rules: [{when: age < 35, answer: {label: yes}}, {answer: {label: no}}]
"""
TWO = LINES.replace("output: {label", "output: {score: {type: number}, label").replace("label: yes", "label: yes, score: 1")


def test_rules_answer_lines_with_lines() -> None:
    route = compiled(LINES)
    answer = own(route, ask(route, CSV, b"34,1.5\n35,2\n"))
    assert (answer.headers, answer.body) == ([(b"content-type", b"text/csv")], b"yes\nno\n")
    assert route.output is not None
    assert route.output.judge(answer.body, 2, answer.headers).violations == ()


def test_rules_answer_json_with_json() -> None:
    route = compiled(LINES)
    answer = own(route, ask(route, JSON, dumps({"instances": [[34, 1.5], [35, 2]]})))
    assert answer.body == b'{"predictions":["yes","no"]}'


def test_what_has_no_place_in_a_line_is_json() -> None:
    route = compiled(TWO.replace("answer: {label: no}", "answer: {label: no, score: 0}"))
    answer = own(route, ask(route, CSV, b"34,1.5\n"))
    assert json.loads(answer.body) == {"predictions": [{"label": "yes", "score": 1}]}
