"""Which route a target belongs to."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.policy.routes import RouteInvalid, RouteTable, _tie, template, ties
from guard.proxy.values import Refused


def table(*keys):
    return RouteTable([(key, key) for key in keys])


def refusal(routes, method, target):
    with pytest.raises(Refused) as refused:
        routes.match(method, target)
    return refused.value


ROUTES = table(
    "POST /predict", "GET /predict", "GET /health", "POST /models/{name}:predict", "POST /models/{name}", "GET /files/*",
    "GET /files/{id}", "GET /files/readme", "GET /files/deep/*", "GET /", "POST /a/", "DELETE /x/{y}/z",
)  # fmt: skip


@pytest.mark.parametrize(
    ("method", "target", "key"),
    [
        (b"POST", b"/predict", "POST /predict"),
        (b"POST", b"/predict?x=1;y=//../%2e", "POST /predict"),
        (b"GET", b"/predict?", "GET /predict"),
        (b"HEAD", b"/health", "GET /health"),
        (b"POST", b"/models/fraud:predict", "POST /models/{name}:predict"),
        (b"POST", b"/models/fraud", "POST /models/{name}"),
        (b"POST", b"/models/:predict", "POST /models/{name}"),
        (b"GET", b"/files/readme", "GET /files/readme"),
        (b"GET", b"/files/other", "GET /files/{id}"),
        (b"GET", b"/files/a/b", "GET /files/*"),
        (b"GET", b"/files/", "GET /files/*"),
        (b"GET", b"/files/deep/a", "GET /files/deep/*"),
        (b"GET", b"/files/deep", "GET /files/{id}"),
        (b"GET", b"/", "GET /"),
        (b"GET", b"/?a", "GET /"),
        (b"POST", b"/a/", "POST /a/"),
        (b"DELETE", b"/x/%20/z", "DELETE /x/{y}/z"),
        (b"GET", b"/files/.../a", "GET /files/*"),
        (b"GET", b"/files/a%252fb", "GET /files/{id}"),
        (b"GET", b"/files/a/b%252Fc", "GET /files/*"),
    ],
)
def test_matches(method, target, key):
    assert ROUTES.match(method, target) == key


@pytest.mark.parametrize(
    "target",
    [
        b"//", b"//predict", b"/predict//", b"/x/../predict", b"/..", b"/.", b"/./predict", b"/files/..", b"/files/a/.", b"/%2e%2e/predict",
        b"/files/%2E%2e", b"/files/a%2fb", b"/files/a%2Fb", b"/files/a%5cb", b"/files/a%5Cb", b"/files/%00", b"/files\\a", b"/files/a;b",
        b"/predict#x", b"/predict?a#x", b"/files/\x80", b"/predict?\xff", b"/files/a b", b"/files/\x00", b"/files/%", b"/files/%zz",
        b"*", b"", b"http://host/predict", b"https://host/predict", b"host:443", b"predict", b"?x", b"/predict?a b",
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", [b"POST", b"GET", b"OPTIONS"])
def test_unclean_targets_are_bad_requests_whoever_asks(method, target):
    assert refusal(ROUTES, method, target).code == "bad_request"


@pytest.mark.parametrize("target", [b"/nothing", b"/predict/", b"/Predict", b"/models/", b"/models/a/b", b"/x//z"[:3]])
def test_unknown(target):
    assert refusal(ROUTES, b"POST", target).code == "not_found"


@pytest.mark.parametrize(
    ("method", "target", "allow"),
    [
        (b"PUT", b"/predict", b"GET, HEAD, POST"),
        (b"POST", b"/health", b"GET, HEAD"),
        (b"GET", b"/models/a:predict", b"POST"),
        (b"HEAD", b"/models/a", b"POST"),
        (b"OPTIONS", b"/x/1/z?q", b"DELETE"),
        (b"get", b"/health", b"GET, HEAD"),
    ],
)
def test_known_path_other_method(method, target, allow):
    refused = refusal(ROUTES, method, target)
    assert (refused.code, refused.allow) == ("method_not_allowed", allow)


def test_a_path_whose_decoded_form_is_another_route_is_refused():
    routes = table("POST /predict", "POST /*", "POST /v/{m}:predict", "POST /v/{m}")
    assert refusal(routes, b"POST", b"/%70redict").code == "bad_request"
    assert refusal(routes, b"POST", b"/v/a%3Apredict").code == "bad_request"
    assert refusal(routes, b"GET", b"/%70redict").code == "bad_request"
    assert routes.match(b"POST", b"/caf%C3%A9") == "POST /*"


@pytest.mark.parametrize(
    "key",
    ["/predict", "POST", "POST predict", "post /predict", "POST  /predict", "POST /a b", "POST /a?b", "POST //a", "POST /a/../b", "POST /a/./b",
     "POST /%2e", "POST /a;b", "POST /a#b", "POST /é", "POST /*/a", "POST /a*", "POST /{x", "POST /x}", "POST /{x}{y}", "POST /{}", "POST /{1}",
     "CONNECT /a", "TRACE /a", "HEAD /a", "POST /" + "a/" * 70, "POST /%zz", "", "POST /a\\b"],
)  # fmt: skip
def test_keys_that_are_no_routes(key):
    with pytest.raises(RouteInvalid):
        table(key)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("GET /x/{a}", "GET /x/{b}"),
        ("GET /{a}/y", "GET /x/{b}"),
        ("GET /a{x}", "GET /{x}b"),
        ("GET /{x}/*", "GET /a/b/*"[:0] + "GET /{y}/*"),
        ("GET /a/*", "GET /{x}/b/*"),
    ],
)
def test_ties_are_errors(one, other):
    for keys in ((one, other), (other, one)):
        with pytest.raises(RouteInvalid, match="could match"):
            table(*keys)


@pytest.mark.parametrize(
    ("narrow", "wide", "target"),
    [
        ("GET /x/{a}", "GET /{b}/{a}", b"/x/1"),
        ("GET /m/{a}:go", "GET /m/{a}", b"/m/1:go"),
        ("GET /a/{b}", "GET /a/*", b"/a/1"),
        ("GET /a/b/*", "GET /a/*", b"/a/b/c"),
        ("GET /a/*", "GET /{x}/*", b"/a/c"),
        ("GET /a/1", "GET /a/{b}", b"/a/1"),
    ],
)
def test_the_narrower_wins_in_any_order(narrow, wide, target):
    assert table(narrow, wide).match(b"GET", target) == narrow
    assert table(wide, narrow).match(b"GET", target) == narrow


def test_methods_do_not_tie():
    routes = table("GET /{a}", "POST /{b}")
    assert routes.match(b"POST", b"/x") == "POST /{b}"


SEGMENT = st.sampled_from(["a", "b", "ab", "{x}", "a{x}", "{x}b", "a{x}b"])
KEY = st.builds(
    lambda method, parts, rest: f"{method} /{'/'.join(parts)}" + ("/*" if rest and parts else ""),
    st.sampled_from(["GET", "POST"]),
    st.lists(SEGMENT, max_size=3),
    st.booleans(),
)
TARGET = st.lists(st.sampled_from(["a", "b", "ab", "c", "acb", ""]), max_size=4).map(lambda parts: "/" + "/".join(parts))


def pattern(key):
    path = key.partition(" ")[2]
    rest = path.endswith("/*")
    body = re.sub(r"\\\{x\\\}", "[^/]+", re.escape(path[:-2] if rest else path))
    return re.compile(body + ("/.*" if rest else "") + r"\Z")


@given(st.lists(KEY, unique=True, max_size=6), st.sampled_from(["GET", "POST"]), TARGET)
def test_agrees_with_regular_expressions(keys, method, target):
    try:
        routes = table(*keys)
    except RouteInvalid:
        return
    hits = {key for key in keys if pattern(key).match(target)}
    mine = {key for key in hits if key.startswith(method)}
    try:
        match = routes.match(method.encode(), target.encode())
    except Refused as refused:
        assert not mine or "//" in target
        assert refused.code == ("bad_request" if "//" in target else "method_not_allowed" if hits else "not_found")  # noqa: PT017
        return
    assert match in mine
    exact = {key for key in mine if "{" not in key and not key.endswith("/*")}
    templates = {key for key in mine if not key.endswith("/*")}
    assert match in (exact or templates or mine)


@given(st.lists(KEY, unique=True, max_size=8))
def test_ties_are_found_as_by_looking_at_every_pair(keys):
    read = {key: template(key) for key in keys}
    pairs = {(two, key) for i, key in enumerate(keys) for two in keys[i + 1 :] if read[key].method == read[two].method}
    assert bool(list(ties(read))) == any(_tie(read[two], read[pair]) for two, pair in pairs)


@given(st.binary(max_size=30))
def test_any_bytes_match_or_are_refused(target):
    try:
        ROUTES.match(b"GET", b"/files/" + target)
    except Refused as refused:
        assert refused.code in {"bad_request", "not_found", "method_not_allowed"}  # noqa: PT017


def cost(routes, target, rounds=2000):
    best = 1.0
    for _ in range(5):
        begun = time.perf_counter()
        for _ in range(rounds):
            routes.match(b"POST", target)
        best = min(best, time.perf_counter() - begun)
    return best


@pytest.mark.parametrize("shape", ["POST /r{i}/predict", "POST /r{i}/{{x}}", "POST /r{i}/*"])
def test_the_number_of_routes_does_not_matter(shape):
    few, many = (table(*(shape.format(i=i) for i in range(count))) for count in (1, 500))
    assert cost(many, b"/r0/predict") < 3 * cost(few, b"/r0/predict")


PCHAR = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:@")
"""RFC 3986 §3.3, without percent-encoding."""


@pytest.mark.parametrize("byte", range(256))
def test_a_path_holds_what_rfc_3986_has_and_no_parameters(byte):
    target = b"/files/a%cb" % byte
    if byte in PCHAR - {ord(";")} or byte in b"/?":
        assert ROUTES.match(b"GET", target) in ("GET /files/{id}", "GET /files/*")
    else:
        with pytest.raises(Refused, match="bad_request"):
            ROUTES.match(b"GET", target)


@pytest.mark.parametrize("byte", range(256))
@pytest.mark.parametrize("form", [b"%%%02x", b"%%%02X"])
def test_no_encoded_byte_of_a_path_is_a_control_or_ends_a_segment(byte, form):
    target = b"/files/a" + form % byte + b"b"
    if byte < 0x20 or byte == 0x7F or byte in b"./\\":
        with pytest.raises(Refused, match="bad_request"):
            ROUTES.match(b"GET", target)
    else:
        assert ROUTES.match(b"GET", target) == "GET /files/{id}"


SLASHED = RouteTable([(key, key) for key in (
    "GET /m/{+name}", "GET /m/{name}", "GET /m/{name}/versions/{v}", "POST /m/{+name}:predict", "GET /x/*", "GET /y/{name}"
)])  # fmt: skip


@pytest.mark.parametrize(
    ("method", "target", "key"),
    [
        (b"GET", b"/m/org%2Fmodel", "GET /m/{+name}"), (b"GET", b"/m/org%2fmodel", "GET /m/{+name}"),
        (b"GET", b"/m/a%2Fb%2Fc", "GET /m/{+name}"), (b"GET", b"/m/plain", "GET /m/{name}"),
        (b"POST", b"/m/org%2Fmodel:predict", "POST /m/{+name}:predict"), (b"GET", b"/m/a%20b%2Fc", "GET /m/{+name}"),
    ],
)  # fmt: skip
def test_a_slash_in_a_segment_passes_where_the_route_allows_it(method, target, key):
    assert SLASHED.match(method, target) == key


@pytest.mark.parametrize(
    "target",
    [
        b"/m/a%2Fversions%2F2",  # another route, once it is decoded
        b"/m/a%2F..%2Fb", b"/m/..%2Fadmin", b"/m/a%2F..", b"/m/.%2F", b"/m/%2Fa", b"/m/a%2F%2Fb", b"/m/a%2F",  # other paths
        b"/m/%2e%2e%2Fa", b"/m/a%5Cb", b"/m/a%00%2Fb", b"/x/a%2Fb", b"/y/a%2Fb", b"/m/a%2Fb/versions/2", b"/z%2Fa",
    ],
)  # fmt: skip
def test_a_slash_in_a_segment_leads_to_no_other_path(target):
    with pytest.raises(Refused, match="bad_request"):
        SLASHED.match(b"GET", target)
