"""Scalars of a policy: durations, sizes, shares, rates, money, addresses, pointers, files, words.

Each is a pydantic annotation made of a `Kind`: `read` (text → value), `write` (value → the text a person would have
written; `resolved` prints it) and a JSON Schema for editors. A reader raises `Misread`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple, Self

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import PydanticCustomError, core_schema

from guard.policy.document import Items, Text, Tree
from guard.policy.errors import shown

DURATION: Final = "a duration such as 300ms, 10s, 5m, 24h or 2d"
SIZE: Final = "a size such as 8KiB, 64MiB or a number of bytes"
SHARE: Final = "a share such as 1% or 99.5%"
RATE: Final = "a rate such as 50/s"
FALSE_ALARMS: Final = "a number of alarms in a time such as 1 in 30d"
TOLERANCE: Final = "off, or an effect (Cohen's h) above 0 and at most 1 such as 0.05"
OFF: Final = "off"
MONEY: Final = "an amount such as 0.0004 EUR"
ADDRESS: Final = "HOST:PORT such as 127.0.0.1:8900 or [::1]:8900"
URL: Final = "http://HOST:PORT, https://HOST:PORT or unix:///PATH"

_SECONDS: Final = {"ms": Decimal("0.001"), "s": Decimal(1), "m": Decimal(60), "h": Decimal(3600), "d": Decimal(86400)}
_BYTES: Final = {"": 1, "B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
_HOST = r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)"
_NUMBER = r"\d{1,15}(?:\.\d{1,9})?"
_DURATION = re.compile(rf"({_NUMBER})(ms|s|m|h|d)\Z", re.ASCII)
_SIZE = re.compile(rf"({_NUMBER}) ?(|B|KiB|MiB|GiB)\Z", re.ASCII)
_SHARE = re.compile(rf"({_NUMBER}) ?%\Z", re.ASCII)
_FALSE_ALARMS = re.compile(rf"([1-9][0-9]{{0,2}}) in ({_NUMBER})(h|d)\Z", re.ASCII)
_RATE = re.compile(rf"({_NUMBER})/(s|m|h)\Z", re.ASCII)
_MONEY = re.compile(rf"({_NUMBER}) ([A-Z]{{3}})\Z", re.ASCII)
_ADDRESS = re.compile(rf"({_HOST}):(\d{{1,5}})\Z", re.ASCII)
_ORIGIN = re.compile(rf"(https?)://({_HOST})(?::(\d{{1,5}}))?/?\Z", re.ASCII)
_INTEGER = re.compile(r"[-+]?\d{1,40}\Z", re.ASCII)
_FLOAT = re.compile(r"[-+]?(?:\d{1,40}(?:\.\d{0,40})?|\.\d{1,40})(?:[eE][-+]?\d{1,3})?\Z", re.ASCII)
_YEARS_10: Final = 10 * 365 * 86400
_PORTS: Final = 65535
_BRACKETS: Final = "; quote text that starts with { or ["
_BIG: Final = 2**53
_BYTES_MOST: Final = 1 << 40


class Misread(PydanticCustomError):  # noqa: N818 — a word of the domain
    """A value does not read as its key asks."""

    def __new__(cls, message: str, expected: str = "") -> Self:
        """`message` names the fault; `expected` describes a valid value, with an example."""
        return super().__new__(cls, "misread", "{message}", {"message": message, "expected": expected})


@dataclass(frozen=True, eq=False)
class Kind:
    """A kind of scalar: its reader, its writer, and its JSON Schema."""

    read: Callable[[Any], Any]
    write: Callable[[Any], Any]
    schema: Mapping[str, Any]

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """Pydantic's hook: `read` alone decides."""
        written = core_schema.plain_serializer_function_ser_schema(self.write)
        return core_schema.no_info_plain_validator_function(self.read, serialization=written)

    def __get_pydantic_json_schema__(self, core: core_schema.CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Pydantic's hook."""
        return dict(self.schema)


class Money(NamedTuple):
    """An amount in a currency (ISO 4217 code)."""

    amount: float
    currency: str


class Address(NamedTuple):
    """An address to listen on. An IPv6 host has no brackets here."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Origin(NamedTuple):
    """A model server: scheme `http` or `https` with host and port, or `unix` with the socket's absolute path."""

    scheme: str
    host: str
    port: int
    socket: str = ""

    def __str__(self) -> str:
        return f"unix://{self.socket}" if self.scheme == "unix" else f"{self.scheme}://{Address(self.host, self.port)}"


@dataclass(frozen=True, slots=True)
class PolicyFile:
    """A file that the policy names: as written, and from the folder of the policy that wrote it."""

    written: str
    path: Path

    def __str__(self) -> str:
        return self.written


def text_of(value: object, expected: str) -> str:
    """The text of a scalar. Raises Misread for null, mappings and lists."""
    match value:
        case Text() if value.null:
            message = "no value"
        case str():
            return str(value)
        case Tree() | dict():
            message = f"a mapping where one value belongs{_BRACKETS}"
        case Items() | tuple() | list():
            message = f"a list where one value belongs{_BRACKETS}"
        case _:
            message = f"{type(value).__name__} where text belongs"
    raise Misread(message, expected)


def _matched(pattern: re.Pattern[str], value: object, expected: str) -> re.Match[str]:
    text = text_of(value, expected)
    if match := pattern.match(text):
        return match
    raise Misread(f"{shown(text)} is not {expected.partition(' such ')[0]}", expected)


def _duration(least: float) -> Callable[[object], float]:
    def read(value: object) -> float:
        match = _matched(_DURATION, value, DURATION)
        seconds = float(Decimal(match[1]) * _SECONDS[match[2]])
        if not least <= seconds <= _YEARS_10:
            raise Misread(f"{shown(match[0])} is out of range", f"{DURATION}, from {write_duration(least)} to 3650d")
        return seconds

    return read


def read_duration(text: str) -> float:
    """Seconds of a duration as people write it, at least a millisecond. Raises Misread."""
    return _duration(0.001)(text)


def write_duration(seconds: float) -> str:
    """The largest unit that needs no fraction."""
    exact = Decimal(str(seconds))
    units = ("d", "h", "m", "s") if exact > _SECONDS["d"] else ("h", "m", "s")  # 24h is better known than 1d
    unit = next((unit for unit in units if exact and exact % _SECONDS[unit] == 0), "ms" if exact else "s")
    return f"{(exact / _SECONDS[unit]).normalize():f}{unit}"


def _size(value: object) -> int:
    match = _matched(_SIZE, value, SIZE)
    size = Decimal(match[1]) * _BYTES[match[2]]
    if size % 1:
        raise Misread(f"{shown(match[0])} is {size:f} bytes, and a byte has no parts", f"{SIZE}, whole bytes")
    if not 1 <= size <= _BYTES_MOST:
        raise Misread(f"{shown(match[0])} is out of range", f"{SIZE}, whole bytes, from 1 to 1024GiB")
    return int(size)


def write_size(size: int) -> str:
    """The largest unit that needs no fraction."""
    unit = next(unit for unit in ("GiB", "MiB", "KiB", "") if size % _BYTES[unit] == 0)
    return f"{size // _BYTES[unit]}{unit}"


def _share(value: object) -> float:
    match = _matched(_SHARE, value, SHARE)
    share = Decimal(match[1]) / 100
    if share > 1:
        raise Misread(f"{shown(match[0])} is over 100%", SHARE)
    return float(share)


def _rate(value: object) -> float:
    match = _matched(_RATE, value, RATE)
    return float(Decimal(match[1]) / _SECONDS[match[2]])


def _false_alarms(value: object) -> float:
    match = _matched(_FALSE_ALARMS, value, FALSE_ALARMS)
    return float(Decimal(match[2]) * _SECONDS[match[3]] / int(match[1]))


def _tolerance(value: object) -> float:
    if isinstance(value, str) and value == OFF:
        return 0.0
    tolerance = number(text_of(value, TOLERANCE))
    if tolerance is None or not 0.0 < tolerance <= 1.0:
        raise Misread("not a tolerance", TOLERANCE)
    return float(tolerance)


def _money(value: object) -> Money:
    match = _matched(_MONEY, value, MONEY)
    return Money(float(match[1]), match[2])


def _address(value: object) -> Address:
    match = _matched(_ADDRESS, value, ADDRESS)
    return Address(match[1].strip("[]"), _port(match[2], ADDRESS))


def _port(text: str, expected: str) -> int:
    if int(text) > _PORTS:
        raise Misread(f"there is no port {text}", expected)
    return int(text)


def origin(value: object) -> Origin:
    """A model server by its URL. Raises Misread."""
    text = text_of(value, URL)
    if text.startswith("unix:///") and len(text) > len("unix:///") and not re.search(r"[?#\s\x00]", text):
        return Origin("unix", "", 0, text.removeprefix("unix://"))
    if match := _ORIGIN.match(text):
        port = _port(match[3], URL) if match[3] else {"http": 80, "https": 443}[match[1]]
        return Origin(match[1], match[2].strip("[]"), port)
    # A URL may hold a password, so the text is not repeated.
    if "@" in text:
        raise Misread("a model server's URL carries no user or password", URL)
    if re.match(r"https?://[^/?#]+[/?#]", text):
        raise Misread("a model server's URL has no path and no query; the request's own target is forwarded", URL)
    raise Misread(f"{shown(text)} is not a model server's URL", URL)


def _network(value: object) -> IPv4Network | IPv6Network:
    expected = "a network such as 10.0.0.0/8 or ::1/128"
    text = text_of(value, expected)
    try:
        return ip_network(text)
    except ValueError:
        pass
    try:
        expected = str(ip_network(text, strict=False))
    except ValueError:
        raise Misread(f"{shown(text)} is not a network", expected) from None
    raise Misread(f"{shown(text)} has host bits set", expected)


def _boolean(value: object) -> bool:
    text = text_of(value, "true or false")
    if text in {"true", "false"}:
        if getattr(value, "plain", True):
            return text == "true"
        raise Misread(f"{shown(text)} is quoted, so it is text and not a boolean", "true or false, unquoted")
    raise Misread(f"{shown(text)} is not a boolean", "true or false, unquoted")


def _count(least: int, most: int) -> Callable[[object], int]:
    def read(value: object) -> int:
        expected = f"a whole number, {least} or more" if most == _BIG else f"a whole number from {least} to {most}"
        text = text_of(value, expected)
        if not getattr(value, "plain", True):
            raise Misread(f"{shown(text)} is quoted, so it is text and not a whole number", expected)
        if not _INTEGER.match(text):
            raise Misread(f"{shown(text)} is not a whole number", expected)
        if not least <= int(text) <= most:
            raise Misread(f"{shown(text)} is out of range", expected)
        return int(text)

    return read


def integer(text: str) -> int | None:
    """A whole number as YAML and JSON write it (34.0 too, up to 40 digits); None for any other text."""
    if _INTEGER.match(text):
        return int(text)
    exact = Decimal(text) if _FLOAT.match(text) else None
    if exact is None or exact.copy_abs() >= Decimal(10) ** 40:
        return None
    return int(exact) if exact == exact.to_integral_value() else None


def number(text: str) -> int | float | None:
    """A finite number; an int where it is written as one. None for any other text, nan and infinity included."""
    if _INTEGER.match(text):
        return int(text)
    value = float(text) if _FLOAT.match(text) else None
    return value if value is not None and abs(value) != float("inf") else None


def _number(value: object) -> int | float:
    text = text_of(value, "a number")
    if not getattr(value, "plain", True):
        raise Misread(f"{shown(text)} is quoted, so it is text and not a number", "a number, unquoted, such as 0.5 or 18")
    parsed = number(text)
    if parsed is None:
        raise Misread(f"{shown(text)} is not a number", "a number, unquoted, such as 0.5 or 18")
    return parsed


def _text(value: object) -> str:
    return text_of(value, "text")


def _matching(pattern: str, expected: str, *, repeat: bool = True) -> Kind:
    compiled = re.compile(rf"(?:{pattern})\Z", re.ASCII)

    def read(value: object) -> str:
        text = text_of(value, expected)
        if not compiled.match(text):
            raise Misread(f"{shown(text) if repeat else 'this text'} is not allowed here", expected)
        return text

    return Kind(read, str, {"type": "string", "pattern": f"^(?:{pattern})$"})


def _file(value: object) -> PolicyFile:
    text = text_of(value, "a path")
    if not text:
        raise Misread("an empty path", "a path")
    if "\x00" in text:
        raise Misread("a path with the character U+0000, which no file has", "a path")
    folder = Path(value.place.file).parent if isinstance(value, Text) else Path()
    return PolicyFile(text, folder / text)


def _string(pattern: re.Pattern[str], example: str) -> dict[str, Any]:
    return {"type": "string", "pattern": f"^(?:{pattern.pattern[:-2]})$", "examples": [example]}


_PLAIN: Final[Mapping[str, Any]] = {"type": ["string", "number", "boolean"]}
_SPAN: Final = _string(_DURATION, "300ms")
Duration = Annotated[float, Kind(_duration(0), write_duration, _SPAN)]
"""Seconds, 0 allowed."""
Span = Annotated[float, Kind(_duration(0.001), write_duration, _SPAN)]
"""Seconds, at least a millisecond."""
Size = Annotated[int, Kind(_size, write_size, {"anyOf": [{"type": "integer", "minimum": 1}, _string(_SIZE, "1MiB")]})]
"""Bytes."""
Share = Annotated[float, Kind(_share, lambda share: f"{share * 100:.9g}%", _string(_SHARE, "1%"))]
"""0 to 1."""
Rate = Annotated[float, Kind(_rate, lambda rate: f"{rate:.9g}/s", _string(_RATE, "50/s"))]
"""Per second."""
Tolerance = Annotated[
    float,
    Kind(
        _tolerance,
        lambda value: value or OFF,
        {"anyOf": [{"const": OFF}, {"type": "number", "exclusiveMinimum": 0, "maximum": 1}]},
    ),
]
"""The effect that a field may move by, in Cohen's h; 0 where it is not watched."""
FalseAlarms = Annotated[
    float, Kind(_false_alarms, lambda seconds: f"1 in {write_duration(seconds)}", _string(_FALSE_ALARMS, "1 in 30d"))
]
"""Seconds for each allowed false alarm."""
Price = Annotated[
    Money, Kind(_money, lambda money: f"{Decimal(str(money[0])).normalize():f} {money[1]}", _string(_MONEY, "20 EUR"))
]
Listener = Annotated[Address, Kind(_address, str, _string(_ADDRESS, "0.0.0.0:8900"))]
Server = Annotated[
    Origin, Kind(origin, str, {"type": "string", "pattern": "^(?:https?://[^/?#@]+/?|unix:///.+|.*\\{env:.+)$"})
]
Network = Annotated[IPv4Network | IPv6Network, Kind(_network, str, {"type": "string", "examples": ["10.0.0.0/8"]})]
Boolean = Annotated[bool, Kind(_boolean, bool, {"type": "boolean"})]
Count = Annotated[int, Kind(_count(0, _BIG), int, {"type": "integer", "minimum": 0})]
Dimension = Annotated[int, Kind(_count(-1, _BIG), int, {"type": "integer", "minimum": -1})]
Positive = Annotated[int, Kind(_count(1, _BIG), int, {"type": "integer", "minimum": 1})]
Status = Annotated[int, Kind(_count(200, 599), int, {"type": "integer", "minimum": 200, "maximum": 599})]
Number = Annotated[int | float, Kind(_number, lambda value: value, {"type": "number"})]
String = Annotated[str, Kind(_text, str, _PLAIN)]
File = Annotated[PolicyFile, Kind(_file, str, {"type": "string", "minLength": 1})]
"""Relative to the folder of the file that names it."""
Name = Annotated[
    str, _matching(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", "a name of letters, digits, dots, dashes and underscores")
]
Variable = Annotated[
    str,
    _matching(r"[A-Za-z_][A-Za-z0-9_]{0,127}", "the name of an environment variable such as GUARD_HASH_KEY", repeat=False),
]
Header = Annotated[str, _matching(r"[a-z0-9!#$%&'*+.^_`|~-]{1,64}", "a header name in lower case such as x-tenant")]
MediaType = Annotated[
    str, _matching(r"[a-z0-9][a-z0-9!#$&^_.+-]*/[a-z0-9][a-z0-9!#$&^_.+-]*", "a media type such as image/png")
]
Pointer = Annotated[str, _matching(r"(?:/(?:[^~/]|~[01])*)*", "a JSON pointer such as /customer/age, or '' for the whole")]
LocalPath = Annotated[str, _matching(r"/(?!/)[!-~]*", "a path such as /health")]
Value = Annotated[Any, Kind(lambda value: value, lambda value: value, {})]
"""Read later, by the type of the field it belongs to."""
