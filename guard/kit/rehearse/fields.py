"""Classes of messy values: for each, what stands in a field, and what the contract says must happen.

The expectation follows from the declaration alone, by the rules of docs/policy.md, and asks no
validator of guard's. A class is one function and one line in CLASSES.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from guard.kit.rehearse.canaries import Cage
from guard.kit.rehearse.generate import bounds
from guard.kit.rehearse.leaves import ABSENT, Leaf
from guard.policy import typed
from guard.policy.fields import Shape

LONG: Final = 20_000
FAR: Final = 1e12
SCRIPTS: Final[Mapping[str, str]] = {
    "Arabic, from right to left": "مرحبا بالعالم",
    "Hebrew with a left-to-right override": "שלום \u202dabc\u202c עולם",
    "Devanagari with joined letters": "क्षत्रिय",
    "Chinese beyond the first plane": "𠀋漢字",
    "Thai without spaces": "สวัสดีชาวโลก",
    "letters with stacked marks": "Z̷̧̛a̵l̴g̶o",
}
EMOJI: Final = "👩‍👩‍👧‍👦🏳️‍🌈👍🏽🇦🇶"

Verdict: TypeAlias = Literal["answered", "denied", "lowered", "free"]


class Wanted(NamedTuple):
    """The expected outcome. `codes`: the answer has one of them. `free`: any outcome except a 5xx."""

    verdict: Verdict
    status: int = 200
    codes: tuple[str, ...] = ()

    def __str__(self) -> str:
        match self.verdict:
            case "answered":
                return "an answer from the model that keeps the output contract"
            case "denied":
                return f"{self.status} {' or '.join(self.codes)}"
            case "lowered":
                return f"an answer from below the model, because of {self.codes[0]}"
        return "any answer except a failure"


ANSWERED: Final = Wanted("answered")


def denied(*codes: str) -> Wanted:
    """The contract is broken."""
    return Wanted("denied", 422, codes)


class MessyValue(NamedTuple):
    """A value to send, in words what it is, what must happen. `passes`: it should be noticed, and nothing declared does."""

    value: Any
    sent: str
    wanted: Wanted
    passes: str = ""


class Scene(NamedTuple):
    """Facts that a class may need besides its field."""

    cage: Cage
    wall: float
    usual: Any  # the value that the field has in the request that is known to work; ABSENT: none
    positional: bool
    textual: bool
    tensor: bool
    max_body: int


Values: TypeAlias = Callable[[Leaf, Scene], Iterator[MessyValue]]


def missing(leaf: Leaf, _scene: Scene) -> Iterator[MessyValue]:
    """Left out. In a positional row nothing can be; below a pointer of several steps the step would be what is missing."""
    if _scene.positional or (leaf.top.at is not None and leaf.top.at.count("/") > 1):
        return
    if leaf.shape is leaf.top and leaf.top.missing == "fall":
        yield MessyValue(ABSENT, "the field left out", Wanted("lowered", codes=("missing",)))
    else:
        yield MessyValue(ABSENT, "the field left out", denied("missing") if leaf.shape.required else ANSWERED)


def null(leaf: Leaf, scene: Scene) -> Iterator[MessyValue]:
    """Null; of an optional field it is a missing one. A cell without text is null, and text is no null."""
    if scene.textual and leaf.shape.type == "string" and not leaf.shape.nullable:
        return
    if scene.tensor and leaf.shape.type == "array":
        return  # an element may be null, a tensor has no such form
    if leaf.shape is leaf.top and leaf.top.missing == "fall":
        yield MessyValue(None, "null", Wanted("lowered", codes=("missing",)))
    else:
        yield MessyValue(None, "null", ANSWERED if leaf.shape.nullable or not leaf.shape.required else denied("null"))


def wrong_kind(leaf: Leaf, scene: Scene) -> Iterator[MessyValue]:
    """Another type of JSON."""
    if scene.textual:
        return
    word = scene.cage.text(f"{leaf.name}: wrong kind")
    match leaf.shape.type:
        case "integer" | "number":
            yield MessyValue(True, "a boolean", denied("type"))
            yield MessyValue({word: 1}, "an object", denied("type"))
        case "string":
            yield MessyValue(scene.cage.number(f"{leaf.name}: number for text"), "a number", denied("type"))
        case "timestamp" if leaf.shape.unit is None:
            yield MessyValue(word, "a word", denied("format"))
            yield MessyValue(scene.cage.number(f"{leaf.name}: number for time"), "a number", denied("type"))
        case "boolean":
            yield MessyValue(word, "a word", denied("type"))
            yield MessyValue(1, "the number 1", denied("type"))
        case "array" | "object" if scene.tensor:
            return
        case _:
            yield MessyValue(word, "a word", denied("type"))


def text_number(leaf: Leaf, scene: Scene) -> Iterator[MessyValue]:
    """A number in quotes."""
    if leaf.shape.type in {"integer", "number"} and not scene.textual:
        yield MessyValue(repr(scene.cage.number(f"{leaf.name}: quoted number")), "a number as text", denied("type"))


def out_of_range(leaf: Leaf, scene: Scene) -> Iterator[MessyValue]:
    """Just outside of each declared bound."""
    shape = leaf.shape
    if shape.type not in {"integer", "number"} or shape.enum is not None:
        return
    for bound, way, code in ((shape.min, -1, "min"), (shape.max, 1, "max")):
        if bound is not None:
            step = 1 if shape.type == "integer" else max(1e-6, abs(bound) * 1e-6)
            value = int(bound) + way if shape.type == "integer" else bound + way * step
            yield MessyValue(value, f"just {'below min' if way < 0 else 'above max'}", denied(code))
    del scene


def edges(leaf: Leaf, scene: Scene) -> Iterator[MessyValue]:
    """Each bound itself; where none is declared, far out."""
    shape = leaf.shape
    if shape.type not in {"integer", "number"} or shape.enum is not None:
        return
    low, high = bounds(shape)
    for bound, far, word in ((low, -FAR, "min"), (high, FAR, "max")):
        if bound is not None:
            yield MessyValue(int(bound) if shape.type == "integer" else bound, f"{word} itself", ANSWERED)
        else:
            value = int(far) if shape.type == "integer" else far
            yield MessyValue(value, f"{'minus ' if far < 0 else ''}a trillion", ANSWERED)
    if shape.type == "integer" and not scene.textual and isinstance(scene.usual, int):
        yield MessyValue(float(scene.usual), "an integer written as 34.0", ANSWERED)
        yield MessyValue(scene.usual + 0.5, "an integer plus one half", denied("type"))


def thousandfold(leaf: Leaf, scene: Scene) -> Iterator[MessyValue]:
    """The value in a unit that is a thousand times smaller: metres as millimetres."""
    shape, usual = leaf.shape, scene.usual
    if shape.type not in {"integer", "number"} or shape.enum is not None or isinstance(usual, bool):
        return
    if not isinstance(usual, int | float) or not usual:
        return
    value = usual * 1000
    if shape.max is not None and value > shape.max:
        yield MessyValue(value, "the usual value × 1000", denied("max"))
    elif shape.min is not None and value < shape.min:
        yield MessyValue(value, "the usual value × 1000", denied("min"))
    else:
        unseen = "a value × 1000 reaches the model: no bound is close enough to reveal a wrong unit"
        yield MessyValue(value, "the usual value × 1000", ANSWERED, unseen)


def category(leaf: Leaf, scene: Scene) -> Iterator[MessyValue]:
    """A category that nobody declared; and each declared one."""
    shape = leaf.shape
    word = scene.cage.text(f"{leaf.name}: unseen category")
    if shape.enum is None:
        if shape.type == "string" and shape.pattern is None:
            yield MessyValue(_fitted(word, shape), "an unknown word", ANSWERED)
        return
    for member in shape.enum[1:20]:
        yield MessyValue(member, "another declared category", ANSWERED)
    numbers = [member for member in shape.enum if isinstance(member, int | float)]
    beyond: Any = (int(max(numbers)) + 1 if shape.type == "integer" else max(numbers) + 1) if numbers else word
    yield MessyValue(beyond, "a category that is not declared", denied("enum", "max"))


def long_text(leaf: Leaf, scene: Scene) -> Iterator[MessyValue]:
    """Texts of the greatest allowed length, and of one character more."""
    shape = leaf.shape
    if shape.type != "string" or shape.enum is not None or shape.pattern is not None:
        return
    if shape.max_length is None:
        size = min(LONG, scene.max_body // 8)
        yield MessyValue(_long(scene.cage, leaf, size), f"{size} characters, and no max_length", ANSWERED)
        return
    if shape.max_length * 4 < scene.max_body:
        yield MessyValue(_long(scene.cage, leaf, shape.max_length), "max_length characters", ANSWERED)
        yield MessyValue(
            _long(scene.cage, leaf, shape.max_length + 1), "one character more than max_length", denied("length")
        )


def scripts(leaf: Leaf, scene: Scene) -> Iterator[MessyValue]:
    """Other scripts, both directions of writing, emoji, nothing at all."""
    shape = leaf.shape
    if shape.type != "string":
        return
    for name, text in {**SCRIPTS, "emoji of several code points": EMOJI}.items():
        yield _text(_fitted(text, shape), name, shape)
    if not scene.textual:
        yield _text("", "an empty text", shape)


def times(leaf: Leaf, scene: Scene) -> Iterator[MessyValue]:
    """Too old, in the future, without an offset."""
    freshness = leaf.top.freshness if leaf.shape is leaf.top else None
    if leaf.shape.type != "timestamp":
        return
    if leaf.shape.unit is None:
        naive = datetime.fromtimestamp(scene.wall, UTC).replace(tzinfo=None).isoformat(timespec="seconds")
        if leaf.shape.zone is None:
            yield MessyValue(naive, "a time without offset", denied("offset"))
    if freshness is not None:
        old = scene.wall - freshness.stale - 120
        yield MessyValue(_time(leaf.shape, old), "a time past `stale`", Wanted("lowered", codes=("stale",)))
        yield MessyValue(_time(leaf.shape, scene.wall + freshness.skew + 3600), "a time in the future", denied("future"))


def lists(leaf: Leaf, scene: Scene) -> Iterator[MessyValue]:
    """Too few items, too many, one of another kind."""
    shape, usual = leaf.shape, scene.usual
    if shape.type != "array" or scene.tensor or not isinstance(usual, list):
        return
    if shape.min_items:
        yield MessyValue(usual[: shape.min_items - 1], "one item too few", denied("items"))
    if shape.max_items is not None and usual and shape.max_items < 10_000:
        yield MessyValue((usual * (shape.max_items + 1))[: shape.max_items + 1], "one item too many", denied("items"))
    if usual and shape.items is not None:
        odd: Any = {"odd": True} if shape.items.type != "object" else "odd"
        yield MessyValue([odd, *usual[1:]], "an item of another type", denied("type"))


def _text(text: str, sent: str, shape: Shape) -> MessyValue:
    """Texts at the limits of their declaration: category, length, pattern."""
    if shape.enum is not None:
        return MessyValue(text, sent, ANSWERED if text in shape.enum else denied("enum"))
    if shape.min_length is not None and len(text) < shape.min_length:
        return MessyValue(text, sent, denied("length", "pattern"))
    if shape.pattern is not None and list(typed.breaches(text, shape)):
        return MessyValue(text, sent, denied("pattern", "length"))
    return MessyValue(text, sent, ANSWERED)


def _fitted(text: str, shape: Shape) -> str:
    """A text, repeated or cut to the declared lengths."""
    if shape.min_length and 0 < len(text) < shape.min_length:
        text *= -(-shape.min_length // len(text))
    return text if shape.max_length is None else text[: shape.max_length]


def _long(cage: Cage, leaf: Leaf, size: int) -> str:
    word = cage.text(f"{leaf.name}: long text {size}") + " "
    return (word * (size // len(word) + 1))[:size]


def _time(shape: Shape, seconds: float) -> Any:
    if shape.unit in {"s", "ms"}:
        return int(seconds * (1000 if shape.unit == "ms" else 1))
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


CLASSES: Final[Mapping[str, Values]] = {
    "missing": missing,
    "null": null,
    "wrong kind": wrong_kind,
    "a number as text": text_number,
    "out of range": out_of_range,
    "at the bounds": edges,
    "unit × 1000": thousandfold,
    "categories": category,
    "long text": long_text,
    "scripts and emoji": scripts,
    "times": times,
    "lists": lists,
}
"""Classes by their name in the report."""
