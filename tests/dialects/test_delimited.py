"""CSV is read as its writers write it (RFC 4180; Excel, pandas, R, LibreOffice), and refused where readers would differ."""

import csv
import io
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from guard.dialects.delimited import Quoted, cells, line
from guard.proxy.values import LayoutError, Route
from tests.dialects.speaking import CSV, ask, compiled, forwarded, refused

FIELDS = """
input:
  age: {type: integer, nullable: true}
  note: {type: string, nullable: true}
  member: {type: boolean, nullable: true}
"""
HEADED = f"dialect: mlflow\n{FIELDS}"
BARE = f"dialect: sagemaker\ncolumns: [age, note, member]\n{FIELDS}"
BOM = b"\xef\xbb\xbf"
ROW = {"age": 34, "note": "a", "member": True}


def both() -> list[Any]:
    return [
        pytest.param(compiled(HEADED), b"age,note,member", id="mlflow"),
        pytest.param(compiled(BARE), b"", id="sagemaker"),
    ]


def rows_of(route: Route, body: bytes) -> Any:
    permit = ask(route, CSV, body)
    return permit.document


WRITTEN: list[tuple[str, bytes, bytes]] = [
    ("RFC 4180", b"\r\n", b"34,a,true\r\n35,b,false\r\n"),
    ("without a last line end", b"\r\n", b"34,a,true\r\n35,b,false"),
    ("pandas.to_csv", b"\n", b"34,a,True\n35,b,False\n"),
    ("pandas.to_csv QUOTE_NONNUMERIC", b"\n", b'34,"a",True\n35,"b",False\n'),
    ("pandas.to_csv QUOTE_ALL", b"\n", b'"34","a","True"\n"35","b","False"\n'),
    ("Excel for Windows", b"\r\n", b"34,a,TRUE\r\n35,b,FALSE\r\n"),
    ("Excel for Mac, old", b"\r", b"34,a,TRUE\r35,b,FALSE\r"),
    ("R write.csv(row.names=FALSE)", b"\n", b'34,"a",TRUE\n35,"b",FALSE\n'),
    ("LibreOffice, all text quoted", b"\n", b'34,"a",TRUE\n35,"b",FALSE\n'),
    ("blank lines at the end", b"\n", b"34,a,true\n35,b,false\n\n\n"),
    ("blank lines between", b"\r\n", b"\r\n34,a,true\r\n\r\n35,b,false\r\n\r\n"),
    ("line ends made twice", b"\r\r\n", b"34,a,true\r\r\n35,b,false\r\r\n"),
    ("aligned by blanks", b"\n", b" 34 ,a, true\n35,b, false \n"),
]


@pytest.mark.parametrize("mark", [b"", BOM], ids=["", "byte order mark"])
@pytest.mark.parametrize(("end", "text"), [pytest.param(end, text, id=name) for name, end, text in WRITTEN])
@pytest.mark.parametrize(("route", "names"), both())
def test_what_writers_write_reads_the_same(route: Route, names: bytes, end: bytes, text: bytes, mark: bytes) -> None:
    for header in (names, b'"age","note","member"', b"age , note,\tmember ")[: 3 if names else 1]:
        body = mark + (header + end if names else b"") + text
        assert rows_of(route, body) == [ROW, {"age": 35, "note": "b", "member": False}]
        _, sent = forwarded(ask(route, CSV, body))
        assert sent == b"age,note,member\n" * bool(names) + b"34,a,true\n35,b,false\n"


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        (b"", None), (b'""', ""), (b"a", "a"), (b'"a"', "a"), (b'"a,b"', "a,b"), (b'"a\nb"', "a\nb"), (b'"a\r\nb"', "a\r\nb"),
        (b'"a\rb"', "a\rb"), (b'"say ""hi"""', 'say "hi"'), (b'""""', '"'), (b'5" disk', '5" disk'), (b" a ", " a "),
        (b'" a "', " a "), (b"007", "007"), (b"1;5", "1;5"), ("ä".encode(), "ä"), ("\u2028\x0b\x1c".encode(), "\u2028\x0b\x1c"),
        (BOM, "\ufeff"), (b'"' + b"long" * 50_000 + b'"', "long" * 50_000),
    ],
)  # fmt: skip
@pytest.mark.parametrize(("route", "names"), both())
def test_a_cell_of_text_reads_and_is_written_again(route: Route, names: bytes, cell: bytes, value: str | None) -> None:
    body = (names + b"\n" if names else b"") + b"34," + cell + b",true\n"
    assert rows_of(route, body) == [{**ROW, "note": value}]
    _, sent = forwarded(ask(route, CSV, body))
    assert rows_of(route, sent) == [{**ROW, "note": value}]
    if len(cell) < csv.field_size_limit():
        assert list(csv.reader(io.StringIO(sent.decode(), newline=""), strict=True))[-1][1] == (value or "")


@pytest.mark.parametrize("cell", [b"", b'""', b"  ", b"NaN", b'"nan"'])
@pytest.mark.parametrize(("route", "names"), both())
def test_a_number_that_is_not_there_is_missing_quoted_or_not(route: Route, names: bytes, cell: bytes) -> None:
    body = (names + b"\n" if names else b"") + cell + b",a,true\n"
    assert rows_of(route, body) == [{**ROW, "age": None}]


@pytest.mark.parametrize(
    "cell", [b'"1,5"', b'"1,000"', b"1_000", b"0x10", b"1e", "１".encode(), "−5".encode(), b"5%", b"--5"]
)
@pytest.mark.parametrize(("route", "names"), both())
def test_what_is_no_number_everywhere_is_refused(route: Route, names: bytes, cell: bytes) -> None:
    body = (names + b"\n" if names else b"") + cell + b",a,true\n"
    assert refused(route, CSV, body) == ["/0/age type"]


ENTIRE = "age,note,member\n34,a,true\n"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (ENTIRE.encode("utf-16"), "encoding"), (ENTIRE.encode("utf-16-le"), "encoding"), (ENTIRE.encode("utf-16-be"), "encoding"),
        (ENTIRE.encode("utf-32"), "encoding"), ("age,note,member\n34,é,true\n".encode("latin-1"), "encoding"),
        (b"age;note;member\n34;a;true\n", "format"), (b"age\tnote\tmember\n34\ta\ttrue\n", "format"),
        (b"age|note|member\n34|a|true\n", "format"), (b"sep=;\nage;note;member\n", "format"),
        (b'age,note,member\n34,"a,true\n', "format"), (b'age,note,member\n34,"a"b,true\n', "format"),
        (b'age,note,member\n34, "a",true\n', "format"),
    ],
)  # fmt: skip
def test_what_readers_would_take_apart_differently_is_refused(body: bytes, code: str) -> None:
    assert refused(compiled(HEADED), CSV, body) == [f" {code}"]
    rest = body if code == "encoding" or body.startswith(b"sep") else body.partition(b"\n")[2]
    assert refused(compiled(BARE), CSV, rest) == [f" {code}"]


@pytest.mark.parametrize(("route", "names"), both())
def test_a_decimal_comma_that_is_not_quoted_makes_a_row_of_another_length(route: Route, names: bytes) -> None:
    assert refused(route, CSV, (names + b"\n" if names else b"") + b"1,5,a,true\n") == ["/0 shape"]


def test_the_line_by_which_excel_is_told_the_comma_is_none_of_the_table() -> None:
    assert rows_of(compiled(HEADED), b"sep=,\r\nage,note,member\r\n34,a,TRUE\r\n") == [ROW]


def test_a_column_of_its_own_keeps_its_missing_values() -> None:
    route = compiled("dialect: mlflow\ninput: {age: {type: integer, nullable: true}}")
    _, sent = forwarded(ask(route, CSV, b'age\n1\n""\n3\n'))
    assert sent == b'age\n1\n""\n3\n'


@pytest.mark.parametrize(
    "kind", ["text/csv; charset=UTF-8", 'text/csv;charset="utf-8"', "text/csv; charset=utf8", "text/csv; header=present"]
)
def test_the_content_type_says_utf_8_or_nothing(kind: str) -> None:
    assert ask(compiled(HEADED), [(b"content-type", kind.encode())], ENTIRE.encode()).document == [ROW]


def test_another_charset_is_another_content_type() -> None:
    assert refused(compiled(HEADED), [(b"content-type", b"text/csv; charset=utf-16")], ENTIRE.encode()) == [
        "unsupported_media_type"
    ]


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
TABLES = st.lists(st.lists(TEXTS, min_size=2, max_size=2), min_size=1, max_size=6).filter(
    lambda table: not table[0][0].startswith(("sep=", "\ufeff"))
)


@given(
    TABLES, st.sampled_from(["\n", "\r\n", "\r"]), st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
)
def test_whatever_pythons_writer_writes_is_read_back(table: list[list[str]], end: str, quoting: int) -> None:
    if quoting == csv.QUOTE_MINIMAL:  # it leaves a CR alone where lines end with LF
        assume(not any(mark in cell for row in table for cell in row for mark in "\r\n"))
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator=end, quoting=quoting).writerows(table)
    assert cells(BOM + out.getvalue().encode()) == table


@given(TABLES)
def test_whatever_is_written_is_read_back_by_us_and_by_python(table: list[list[str]]) -> None:
    text = "".join(map(line, table))
    read = cells(text.encode())
    assert read == table
    assert [[None if not cell and type(cell) is not Quoted else str(cell) for cell in row] for row in read] == table
    assert list(csv.reader(io.StringIO(text, newline=""), strict=True)) == table


@given(st.text(st.sampled_from('a",\r\n \t;'), max_size=30))
def test_what_is_accepted_reads_as_python_reads_it(text: str) -> None:
    try:
        read = cells(text.encode())
    except LayoutError:
        return
    if not text.startswith("sep="):
        assert read == [row for row in csv.reader(io.StringIO(text, newline="")) if row]
