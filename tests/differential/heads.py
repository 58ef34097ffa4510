"""Cases: header fields of requests: Host, hop-by-hop, Expect, offers to upgrade, odd bytes, counts and sizes."""

from tests.differential.case import Case, get, head, post, sized

_HOST = frozenset(("host",))
_FROM = frozenset(("x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "forwarded", "via"))

_HOSTS = "More than one Host is 400 (RFC 9112 §3.2); Envoy joins or picks."
_BAD_HOST = "A Host that is no uri-host with an optional port is 400 (RFC 9112 §3.2, RFC 9110 §7.2), even though guard routes by the target alone."
_TE = "TE and Trailer describe the connection they came on (RFC 9110 §10.1.4, §7.6.1), and guard drops trailers (RFC 9112 §7.1.2), so it announces none."
_OFFER = "A server may ignore an offer to upgrade (RFC 9110 §7.8): guard removes it and serves the request as plain HTTP/1.1, body and all."
_EXPECT = (
    "An expectation that guard does not know it refuses, as RFC 9110 §10.1.1 allows; passing it on would leave it unmet."
)
_UNDERSCORE = "Servers that map headers to variables (CGI, WSGI) cannot tell `_` from `-`, so a client could forge a header that guard controls; refused, as Envoy's own advice for edges has it."
_FORWARDED = "What an untrusted client says of its origin is not passed on: guard replaces X-Forwarded-For, -Proto and -Host with what it knows (RFC 7239 §8.1)."

CASES = (
    Case(
        "Host passed on",
        get(),
        watch=_HOST,
        why="To the upstream guard is a client, and a client names in Host the server that it calls (RFC 9110 §7.2): no value that a client chose selects a virtual host behind guard.",
    ),
    Case("Host missing", get(host=None)),
    Case("Host empty", get(host=b""), why=_BAD_HOST),
    Case("Host twice", get(b"/p", b"Host: b.example"), why=_HOSTS),
    Case("Host twice, the same", get(b"/p", b"Host: a.example"), why=_HOSTS),
    Case("Host with a port", get(host=b"a.example:8080")),
    Case("Host with a bad port", get(host=b"a.example:80x"), why=_BAD_HOST),
    Case("Host with a port beyond 65535", get(host=b"a.example:99999")),
    Case("Host with userinfo", get(host=b"u@a.example"), why=_BAD_HOST),
    Case("Host with a path", get(host=b"a.example/public?")),
    Case("Host with a comma", get(host=b"a.example, b.example")),
    Case("Host with a space", get(host=b"a.example b")),
    Case("Host IPv6", get(host=b"[::1]:80")),
    Case("Host IPv6, not closed", get(host=b"[::1"), why=_BAD_HOST),
    Case("Host IPv6 without brackets", get(host=b"::1"), why=_BAD_HOST),
    Case("Host with 8-bit characters", get(host=b"\xc3\xa4.example")),
    Case("Host with a control byte", get(host=b"a\x01.example")),
    Case("Host with an underscore", get(host=b"a_b.example")),
    Case("Host with a percent", get(host=b"a%2f.example")),
    Case("Host not first, odd case", b"GET /p HTTP/1.1\r\nX-A: 1\r\nhOsT: a.example\r\n\r\n"),
    Case(
        "hop-by-hop headers",
        get(b"/p", b"Connection: keep-alive", b"Keep-Alive: timeout=5", b"Proxy-Connection: close", b"TE: gzip"),
    ),
    Case(
        "Proxy-Authorization",
        get(b"/p", b"Proxy-Authorization: Basic eDp5"),
        why="Credentials for a proxy are for the next proxy that wants them (RFC 9110 §11.7.2); a model server is none, so they stay here.",
    ),
    Case("TE: trailers", get(b"/p", b"TE: trailers", b"Connection: TE"), why=_TE),
    Case("nominated header", get(b"/p", b"Connection: x-secret, keep-alive", b"X-Secret: 1")),
    Case("nominated in two lines", get(b"/p", b"Connection: x-a", b"Connection: X-B", b"X-A: 1", b"X-B: 1")),
    Case(
        "nominated: host",
        get(b"/p", b"Connection: host"),
        why="Host is no field of the connection, so the option means nothing (RFC 9110 §7.6.1): guard sends the upstream's Host all the same.",
    ),
    Case(
        "nominated: content-length",
        sized(b"Connection: content-length"),
        why="Framing cannot be nominated away (RFC 9110 §7.6.1): guard keeps the length. Envoy drops it and has to send chunks.",
    ),
    Case(
        "nominated: transfer-encoding",
        post(b"Transfer-Encoding: chunked", b"Connection: transfer-encoding", body=b"3\r\nabc\r\n0\r\n\r\n"),
    ),
    Case(
        "nominated: x-forwarded-for",
        get(b"/p", b"Connection: x-forwarded-for", b"X-Forwarded-For: 6.6.6.6"),
        why="A nominated header is removed (RFC 9110 §7.6.1). Nothing is lost or forged by it: what guard itself says of the client does not depend on this line.",
    ),
    Case(
        "nominated: cookie and authorization",
        get(b"/p", b"Connection: cookie, authorization", b"Cookie: a=b", b"Authorization: Bearer x"),
    ),
    Case("Connection: close", get(b"/p", b"Connection: close")),
    Case("Connection: close, keep-alive", get(b"/p", b"Connection: close, keep-alive")),
    Case("Connection with empty members", get(b"/p", b"Connection: ,, ,close,")),
    Case("Trailer without trailers", get(b"/p", b"Trailer: X-Sum"), why=_TE),
    Case(
        "Upgrade: websocket",
        get(
            b"/p",
            b"Connection: Upgrade",
            b"Upgrade: websocket",
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            b"Sec-WebSocket-Version: 13",
        ),
        why=_OFFER,
    ),
    Case(
        "Upgrade: h2c",
        get(b"/p", b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQAAP__"),
    ),
    Case("Upgrade: foo, with a body", sized(b"Connection: Upgrade", b"Upgrade: foo"), why=_OFFER),
    Case(
        "Upgrade: foo, chunked",
        post(b"Transfer-Encoding: chunked", b"Connection: Upgrade", b"Upgrade: foo", body=b"3\r\nabc\r\n0\r\n\r\n"),
        why=_OFFER,
    ),
    Case("Upgrade without Connection", get(b"/p", b"Upgrade: foo")),
    Case("Expect: 100-continue", (post(b"Content-Length: 3", b"Expect: 100-continue", body=b""), b"abc")),
    Case("Expect: 100-Continue, body at once", sized(b"Expect: 100-Continue")),
    Case("Expect without a body", get(b"/p", b"Expect: 100-continue")),
    Case("Expect: tea", sized(b"Expect: tea"), why=_EXPECT),
    Case("Expect: 100-continue, tea", sized(b"Expect: 100-continue, tea"), why=_EXPECT),
    Case(
        "Expect twice",
        sized(b"Expect: 100-continue", b"Expect: 100-continue"),
        why="guard meets the expectation itself and passes none on (RFC 9110 §10.1.1); Envoy knows it only as the one value, and forwards what it did not meet.",
    ),
    Case(
        "Expect: tea, then 100-continue",
        sized(b"Expect: tea", b"Expect: 100-continue"),
        why="guard reads the last line alone. Lines of one name are one list (RFC 9110 §5.3), and the same list in one line is answered 400; the unknown member is dropped unmet, yet forwarded to nobody.",
    ),
    Case(
        "Expect empty",
        sized(b"Expect:"),
        why="An empty list is no expectation (RFC 9110 §5.6.1), and Expect is met by guard or by nobody: it is never passed on.",
    ),
    Case("name with an underscore", get(b"/p", b"X_Admin: 1"), why=_UNDERSCORE),
    Case("name Content_Length", sized(b"Content_Length: 9"), why=_UNDERSCORE),
    Case("duplicate headers", get(b"/p", b"X-A: 1", b"X-B: 1", b"x-a: 2", b"Cookie: a=b", b"Cookie: c=d")),
    Case("empty value", get(b"/p", b"X-A:", b"X-B: \t ")),
    Case("blanks around a value", get(b"/p", b"X-A: \t 1 2 \t ")),
    Case("8-bit value", get(b"/p", b"X-A: \xff\xe4")),
    Case("control byte in a value", get(b"/p", b"X-A: a\x01b")),
    Case("NUL in a value", get(b"/p", b"X-A: a\x00b")),
    Case("DEL in a value", get(b"/p", b"X-A: a\x7fb")),
    Case("tab in a value", get(b"/p", b"X-A: a\tb")),
    Case(
        "folded header",
        get(b"/p", b"X-A: 1", b" 2"),
        why="A folded line is refused or unfolded (RFC 9112 §5.2); guard refuses, for a reader that does neither sees another header.",
    ),
    Case("folded first header", b"GET /p HTTP/1.1\r\n Host: a.example\r\n\r\n"),
    Case("space before the colon", get(b"/p", b"X-A : 1")),
    Case("space in a name", get(b"/p", b"X A: 1")),
    Case("line without a colon", get(b"/p", b"X-A")),
    Case("empty name", get(b"/p", b": 1")),
    Case("8-bit name", get(b"/p", b"X-\xc3\xa4: 1")),
    Case("name with odd token characters", get(b"/p", b"x!#$%&'*+.^`|~: 1")),
    Case("name with a slash", get(b"/p", b"X/A: 1")),
    Case("pseudo-header :path", get(b"/p", b":path: /admin")),
    Case("99 headers", get(b"/p", *[b"x%d: 1" % i for i in range(98)])),
    Case("110 headers", get(b"/p", *[b"x%d: 1" % i for i in range(109)])),
    Case("headers of 30 KiB", get(b"/p", b"x: " + b"y" * 30000)),
    Case(
        "headers of 40 KiB",
        get(b"/p", b"x: " + b"y" * 40000),
        why="The default of `listen.limits.header_bytes` is 32 KiB, Envoy's is 60 KiB.",
    ),
    Case("headers of 70 KiB", get(b"/p", b"x: " + b"y" * 70000)),
    Case("X-Forwarded-For", get(b"/p", b"X-Forwarded-For: 6.6.6.6"), watch=_FROM, why=_FORWARDED),
    Case(
        "X-Forwarded-Proto and -Host",
        get(b"/p", b"X-Forwarded-Proto: https", b"X-Forwarded-Host: evil.example"),
        watch=_FROM,
        why=_FORWARDED,
    ),
    Case(
        "Forwarded",
        get(b"/p", b"Forwarded: for=6.6.6.6"),
        watch=_FROM,
        why="Envoy adds X-Forwarded-Proto to every request. Forwarded itself (RFC 7239) it passes on.",
    ),
    Case(
        "Via",
        get(b"/p", b"Via: 1.1 before"),
        watch=_FROM,
        why="An intermediary adds itself to Via (RFC 9110 §7.6.3), which Envoy does only where configured; Envoy adds X-Forwarded-Proto instead.",
    ),
    Case("X-Guard header from the client", get(b"/p", b"X-Guard-Source: model")),
    Case(
        "X-Envoy header from the client",
        get(b"/p", b"X-Envoy-Max-Retries: 9"),
        why="These names steer Envoy, so Envoy removes them; to guard they are headers like any other. It removes `x-guard-*`.",
    ),
    Case("X-Request-Id from the client", get(b"/p", b"X-Request-Id: abc"), watch=frozenset(("x-request-id",))),
    Case(
        "Max-Forwards: 0",
        head(b"OPTIONS", b"/p", b"Max-Forwards: 0"),
    ),
    Case("Range and conditions", get(b"/p", b"Range: bytes=0-1", b'If-None-Match: "a"')),
)
