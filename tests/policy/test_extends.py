"""One policy on top of another."""

import pytest

from guard.policy.dump import dump
from guard.policy.errors import PolicyInvalid
from guard.policy.loading import load

TEAM = "version: guard/v1\nextends: {base}\nservice: s\nupstream: {{url: http://h:1}}\nroutes: {{GET /h: passthrough}}\n"


@pytest.fixture
def put(tmp_path):
    def write(name, text):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return write


def refused(path):
    with pytest.raises(PolicyInvalid) as invalid:
        load(path, environ={})
    return [str(error) for error in invalid.value.errors]


def test_mappings_merge_and_lists_replace(put):
    put(
        "org.yaml",
        "upstream: {probe: /base, limits: {queue: 1, concurrency: 9}}\ntrusted_proxies: [10.0.0.0/8, 11.0.0.0/8]\ndrain: 9s\n",
    )
    path = put(
        "policy.yaml", TEAM.format(base="org.yaml") + "trusted_proxies: [12.0.0.0/8]\ntelemetry: {prometheus: false}\n"
    )
    path.write_text(path.read_text().replace("{url: http://h:1}", "{url: http://h:1, limits: {queue: 2}}"))
    policy = load(path, environ={}).policy
    assert (policy.upstream.probe, policy.upstream.limits.queue, policy.upstream.limits.concurrency) == ("/base", 2, 9)
    assert [str(trusted_proxy) for trusted_proxy in policy.trusted_proxies] == ["12.0.0.0/8"]
    assert policy.drain == 9.0


def test_files_and_origins_point_into_the_right_file(put, tmp_path):
    put("shared/deep.yaml", "drain: 7s\nkill_file: KILL\n")
    put("shared/org.yaml", "version: guard/v1\nextends: deep.yaml\nready: any\n")
    loaded = load(put("team/policy.yaml", TEAM.format(base="../shared/org.yaml")), environ={})
    assert loaded.policy.kill_file.path == tmp_path / "team/../shared/KILL"
    assert loaded.origin(("drain",)).file.endswith("shared/deep.yaml")
    assert loaded.origin(("ready",))[1:] == (3, 1)
    assert loaded.origin(("service",)).file.endswith("team/policy.yaml")
    assert loaded.origin(("expose_reason",)) is None
    assert [path.name for path in loaded.files] == ["policy.yaml", "org.yaml", "deep.yaml"]


def test_errors_point_into_the_right_file(put):
    put("org.yaml", "drain: soon\nlisten: {dta: x}\n")
    found = refused(put("policy.yaml", TEAM.format(base="org.yaml") + "ready: no\n"))
    assert [error.rpartition("/org.yaml:")[2].partition(": ")[0] for error in found[:2]] == ["1:8", "2:10"]
    assert "policy.yaml:6:8: ready" in found[2]


def test_a_mistake_that_is_replaced_is_none(put):
    put("org.yaml", "drain: soon\n")
    assert load(put("policy.yaml", TEAM.format(base="org.yaml") + "drain: 1s\n"), environ={}).policy.drain == 1


@pytest.mark.parametrize(
    ("base", "message"),
    [
        ("/etc/org.yaml", "is not a relative path"),
        ("~/org.yaml", "is not a relative path"),
        ("https://x/org.yaml", "is not a relative path"),
        ("nowhere.yaml", "cannot read"),
        ("policy.yaml", "in a circle"),
        ("./../{here}/policy.yaml", "in a circle"),
        ("[a.yaml, b.yaml]", "not one path"),
        ("", "not one path"),
        ("null", "not one path"),
        ("''", "not one path"),
        ("a.yaml", "in a circle"),
    ],
)
def test_a_base_that_is_refused(put, tmp_path, base, message):
    put("a.yaml", "extends: b.yaml\n")
    put("b.yaml", "extends: a.yaml\n")
    (error,) = refused(put("policy.yaml", TEAM.format(base=base.format(here=tmp_path.name))))
    assert message in error


@pytest.mark.parametrize("name", ["loop.yaml", "x" * 300 + ".yaml", "/".join(["d"] * 3000)])
def test_paths_that_the_system_refuses(put, tmp_path, name):
    (tmp_path / "loop.yaml").symlink_to("loop.yaml")
    (error,) = refused(put("policy.yaml", TEAM.format(base=name)))
    assert "cannot read" in error


def test_a_secret_file_that_cannot_be_looked_at_is_a_warning(put):
    text = TEAM.replace("extends: {base}\n", "").replace("{{", "{").replace("}}", "}")
    loaded = load(put("policy.yaml", f"{text}privacy: {{hash_key: {{file: {'x' * 300}}}}}\n"), environ={})
    assert [warning.pointer for warning in loaded.warnings] == ["privacy.hash_key"]


def test_a_base_has_no_routes(put):
    put("org.yaml", "drain: 1s\nroutes: {GET /x: passthrough}\n")
    (error,) = refused(put("policy.yaml", TEAM.format(base="org.yaml")))
    assert "org.yaml:2:1: routes: a policy that others extend has no routes" in error


def test_a_base_of_another_version(put):
    put("org.yaml", "version: guard/v2\n")
    (error,) = refused(put("policy.yaml", TEAM.format(base="org.yaml")))
    assert "org.yaml:1:1" in error


def test_a_base_that_is_no_yaml(put):
    put("org.yaml", "a: [")
    (error,) = refused(put("policy.yaml", TEAM.format(base="org.yaml")))
    assert "org.yaml:2:1: not YAML" in error


def test_a_long_chain(put):
    for index in range(20):
        put(f"{index}.yaml", f"extends: {index + 1}.yaml\n")
    (error,) = refused(put("policy.yaml", TEAM.format(base="0.yaml")))
    assert "more than 8 files" in error


def test_a_release_in_a_file_of_its_own(put):
    put("release.yaml", "version: 3.10\ncommt: abc\n")
    put("org.yaml", "release: release.yaml\n")
    (error,) = refused(put("policy.yaml", TEAM.format(base="org.yaml")))
    assert 'release.yaml:2:1: release: unknown key "commt"; did you mean "commit"?' in error


def test_resolved_shows_where_each_value_came_from(put):
    put("org.yaml", "version: guard/v1\ndrain: 7s\n")
    text = dump(load(put("policy.yaml", TEAM.format(base="org.yaml")), environ={}))
    lines = {line.partition(" # ")[0].strip(): line.partition(" # ")[2].rpartition("/")[2] for line in text.splitlines()}
    assert lines["drain: 7s"] == "org.yaml:2"
    assert lines["service: s"] == "policy.yaml:3"
    assert lines["url: http://h:1"] == "policy.yaml:4"
    assert lines["expose_reason: true"] == "default"
    assert lines["GET /h: passthrough"] == "policy.yaml:5"


def test_a_bare_upstream_is_where_its_url_came_from(put):
    text = dump(
        load(
            put("p.yaml", "version: guard/v1\nservice: s\nupstream: http://h:1\nroutes: {GET /h: passthrough}\n"),
            environ={},
        )
    )
    lines = [line.rpartition("/")[2] for line in text.splitlines() if "url:" in line or "queue:" in line]
    assert lines == ["p.yaml:3", lines[1]]
    assert lines[1].endswith("# default")
