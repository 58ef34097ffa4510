"""`guard privacy`: a policy's own words cannot break its page, nor put anything into it."""

import html
import json
from pathlib import Path
from typing import Any

import pytest

from guard.kit.markdown import code, prose
from guard.kit.privacy.document import document
from guard.kit.privacy.markdown import markdown
from tests.cli.test_cli import valid
from tests.privacy_pages import Seen, cells, parsed, report, unseen

# ── hostile words ─────────────────────────────────────────────────────────────────────────────────────────────────────

HOSTILE = [
    "a|b", "a||b", "`", "``x``", "a`b|c", "<script>alert(1)</script>", "<!-- x", "a\\|b", "\\", "a\\", "x\ny", "x\r\n# y", "x\n\n| a | b |",
    "*b*", "_b_", "[t](http://e.example)", "![i](http://e.example/i.png)", "http://e.example/x", "www.e.example", "a@e.example",
    "&lt;b&gt;", "&#124;", "# h", "- l", "+ l", "1. l", "12) l", "=",  "> q", "~~s~~", "a  b", " a ", "---", "$x$", "<http://e.example>", "\t", "é µ 日本",
    "\u202egnp", "\u200b", "\u2028x", "{{x}}", "[^1]", ":smile:",
]  # fmt: skip


@pytest.mark.parametrize("word", HOSTILE)
@pytest.mark.parametrize("form", [code, prose])
def test_hostile_words_stay_words(word: str, form: Any) -> None:
    text = f"| a | b |\n|---|---|\n| {form(word)} | end |\n\n## {form(word)}\n\n- {form(word)}\n"
    shown = unseen(word)
    one, end = cells(text, "td")
    assert end.text == "end"
    assert {token.type for token in parsed(text) if token.nesting == 1} == {
        "table_open", "thead_open", "tr_open", "th_open", "tbody_open", "td_open", "heading_open", "bullet_list_open",
        "list_item_open", "paragraph_open",
    }  # fmt: skip
    (heading,) = cells(text, "h2")
    (item,) = cells(text, "p")
    for seen in (one, heading, item):
        assert seen.text.strip() == shown.strip()
        assert seen.tags <= {"text", "code_inline", "text_special"}
    if form is prose:
        for link in ("http://", "www.e", "a@e"):  # what GitHub makes a link of without being asked
            assert link not in form(word)


@pytest.mark.parametrize("word", [word for word in HOSTILE if "\u2028" not in word])  # which no policy may hold
def test_a_policy_of_hostile_words_has_a_page_of_the_same_shape(tmp_path: Path, word: str) -> None:
    said = json.dumps(word)
    (tmp_path / "in.json").write_text("{}")

    def page(text: str) -> tuple[list[str], list[Seen], list[Seen]]:
        made = report(
            tmp_path,
            f"  POST /p:\n    input:\n      {text}: {{type: object, unit: {text}, description: {text}, sensitivity: personal, fields: {{{text}: {{type: string}}}}}}\n"
            f"    output:\n      {text}: {{type: number, unit: {text}, meaning: {text}}}\n",
            f"owners: {{serving: {text}, incidents: {{team: {text}}}}}\nstate_dir: {text}\nprivacy: {{baggage: [{text}], hash_key: {{file: {text}}}}}\n",
        )
        whole = markdown(made)
        valid("privacy.schema.json", json.loads(json.dumps(document(made))))
        return [item.type for item in parsed(whole)], cells(whole, "td"), cells(whole, "p")

    types, found, _ = page(said)
    plain_types, plain, _ = page("plain")
    assert types == plain_types
    assert len(found) == len(plain)
    inert = {"text", "code_inline", "text_special"}
    assert all(item.tags <= inert for item in found)
    names = {unseen(item).strip() for item in (word, word.replace("~", "~0").replace("/", "~1"))}
    assert sum(any(name in item.text for name in names) for item in found) >= sum(
        "plain" in character.text for character in plain
    )


def test_unseen_characters_are_shown() -> None:
    assert prose("a\nb") == "a&#92;u000ab"
    assert code("\u202egnp") == "&#92;u202egnp"
    assert html.unescape(prose("<b> & |")) == "<b> & |"
    assert prose("") == "–"
