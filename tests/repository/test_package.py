"""What is in the package besides code: templates and policies, which the wheel must hold."""

import zipfile
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder
from jinja2 import UndefinedError

from guard.kit.pages import TEMPLATES, _environment, page

ROOT = Path(__file__).resolve().parents[2]
DATA = {
    str(path.relative_to(ROOT))
    for path in (ROOT / "guard").rglob("*")
    if path.is_file() and path.suffix not in {".py", ".pyc", ".so"}
}


def test_the_package_holds_no_data_but_templates_the_console_a_licence_and_its_type_marker():
    assert {Path(name).parent for name in DATA} <= {
        Path("guard/kit/templates"),
        Path("guard/privacy/detectors"),
        Path("guard/control/console/static"),
        Path("guard/control/console/static/vendor"),
        Path("guard"),
    }


def test_the_wheel_holds_every_template(tmp_path):
    made = next(WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"]))
    with zipfile.ZipFile(made) as archive:
        held = set(archive.namelist())
    assert DATA - held == set()
    assert "guard/kit/policies/tumour-triage.yaml" in held


def test_every_template_is_one_that_html_escapes_or_markdown_filters():
    assert {path.name.partition(".")[2] for path in TEMPLATES.iterdir()} == {"html.j2", "md.j2", "css"}


def test_an_unknown_name_is_an_error():
    with pytest.raises(UndefinedError):
        page("rehearsal.html.j2")


def test_pages_in_html_are_escaped_by_the_templates_engine():
    escapes = _environment().autoescape
    assert [escapes(path.name) for path in sorted(TEMPLATES.glob("*.html.j2"))] == [True]
    assert not any(escapes(path.name) for path in TEMPLATES.glob("*.md.j2"))
