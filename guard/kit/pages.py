"""Pages made from the templates in `templates/`, by Jinja2: HTML with autoescape, Markdown by its own escapes.

A template is given plain values and data that others wrote alike: HTML escapes all of it, Markdown's filters `code` and
`prose` what the policy's authors wrote. A name that a template does not know is an error, never an empty text.
"""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from guard.kit.markdown import NONE, code, prose, seen

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES: Final = Path(__file__).parent / "templates"


def page(template: str, **values: Any) -> str:
    """The page that a template makes of these values."""
    return str(_environment().get_template(template).render(values))


@cache
def _environment() -> "Environment":
    from jinja2 import (  # noqa: PLC0415 — for the commands that print pages
        Environment,
        FileSystemLoader,
        StrictUndefined,
        select_autoescape,
    )

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(("html.j2",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"code": code, "prose": prose, "sentence": _sentence, "seen": seen}
    environment.globals["NONE"] = NONE
    return environment


def _sentence(text: str) -> str:
    """The text with a capital letter, unless it begins with the name of a key or a file."""
    name = text.startswith("targets.") or text.endswith(".json")
    return text if name else text[:1].upper() + text[1:]
