"""Cases: request targets (RFC 9112 §3.2, RFC 3986), methods and versions."""

from tests.differential.case import Case, get, head

_DOTS = "What is matched is what is forwarded: a server that removes dot segments (RFC 3986 §5.2.4) would serve another path than the one whose contract was applied. Ambiguous is 400."
_DECODED = "What is matched is what is forwarded: a server that decodes this would split or end the path elsewhere than guard's routes did. Ambiguous is 400."
_SLASHES = "Servers differ in whether they merge slashes; guard does not rewrite, and what is matched is what is forwarded. Ambiguous is 400."
_PERCENT = "A percent sign starts two hexadecimal digits (RFC 3986 §2.1); what decoders make of anything else differs."
_ABSOLUTE = "The absolute form brings a second authority beside Host. guard accepts it where both are the same and a path follows, and forwards the origin form (RFC 9112 §3.2.2); anything else is ambiguous."
_OLD = "Health checkers still speak HTTP/1.0, so guard serves it by its rules: no chunks, and a close unless keep-alive was asked for (RFC 9112 §9.3). Envoy does so only where it is configured to."
_VERSION = "guard speaks HTTP/1.1 and 1.0; any other request line is a bad request (RFC 9112 §2.3, §3). 426 would invite to an upgrade that guard does not offer."
_CONTROL = "Decoded, it is a control in a path: a server that writes it into a log or a header writes another line. Ambiguous is 400."
_ONE_BLANK = "One space separates the parts of a request line (RFC 9112 §3); where readers take several for one, or for an empty target, they differ."
_EMPTY = "An empty line before a request line is CRLF (RFC 9112 §2.2); guard takes no other line end anywhere in a head."
_PCHAR = (
    "Not a character of a path (RFC 3986 §3.3); what servers make of it differs. guard refuses it, and repairs nothing."
)
_METHOD = "A method that is a token and that nobody knows is 501 (RFC 9110 §15.6.2)."

CASES = (
    Case("path below a prefix", get(b"/files/a")),
    Case(
        "path without a route",
        get(b"/elsewhere"),
        why="Routes are declared in the policy; what is not declared does not reach the model server. Envoy's configuration here forwards everything.",
    ),
    Case(
        "method without a route",
        head(b"DELETE", b"/p"),
        why="A route is a method and a path; 405 names the methods in Allow (RFC 9110 §15.5.6). Envoy's configuration here forwards everything.",
    ),
    Case("empty query", get(b"/p?")),
    Case("query as it comes", get(b"/p?a=1&&b=%20%zz+[]{}|^`'\"<>;/?//..")),
    Case("8-bit query", get(b"/p?a=\xc3\xa4")),
    Case("dot segment", get(b"/files/./a"), why=_DOTS),
    Case("double dot segment", get(b"/files/../p"), why=_DOTS),
    Case("double dot segment above the root", get(b"/../../p"), why=_DOTS),
    Case("trailing double dot", get(b"/files/a/.."), why=_DOTS),
    Case("encoded dot %2e%2e", get(b"/files/%2e%2e/p"), why=_DOTS),
    Case("encoded dot .%2E", get(b"/files/.%2E/p"), why=_DOTS),
    Case("double encoding %252e%252e", get(b"/files/%252e%252e/p")),
    Case("dot segment with a parameter ..;", get(b"/files/..;x/p"), why=_DOTS),
    Case("encoded slash %2f", get(b"/files/a%2fb"), why=_DECODED),
    Case("double encoding %252f", get(b"/files/a%252fb")),
    Case("encoded backslash %5c", get(b"/files/a%5cb"), why=_DECODED),
    Case(
        "backslash",
        get(b"/files/a\\b"),
        why="Not a character of a path (RFC 3986 §3.3), and some servers take it for a slash. What is matched is what is forwarded; ambiguous is 400.",
    ),
    Case("encoded NUL %00", get(b"/files/a%00b"), why=_DECODED),
    Case("NUL in the path", get(b"/files/a\x00b")),
    Case("encoded CRLF %0d%0a", get(b"/files/a%0d%0aX-A:1"), why=_CONTROL),
    Case("double slash", get(b"/files//a"), why=_SLASHES),
    Case("leading double slash", get(b"//files/a"), why=_SLASHES),
    Case(
        "path parameter ;",
        get(b"/files/a;v=1"),
        why="Some servers cut parameters off a segment before they match it (RFC 3986 §3.3 leaves that to them), others do not. What is matched is what is forwarded; ambiguous is 400.",
    ),
    Case("8-bit path", get(b"/files/\xc3\xa4")),
    Case("encoded 8-bit %c3%a4", get(b"/files/%c3%a4")),
    Case("overlong UTF-8 %c0%ae", get(b"/files/%c0%ae%c0%ae/p")),
    Case("unneeded encoding %61", get(b"/files/%61")),
    Case(
        "encoded route /%70",
        get(b"/%70"),
        why="Decoded, this is another route of the policy: a server that decodes would serve it past that route's contract.",
    ),
    Case("bad encoding %zz", get(b"/files/%zz"), why=_PERCENT),
    Case("bad encoding % at the end", get(b"/files/a%"), why=_PERCENT),
    Case("fragment", get(b"/p#f")),
    Case("space in the path", get(b"/files/a b")),
    Case(
        "tab after the target",
        b"GET /p\tHTTP/1.1\r\nHost: a.example\r\n\r\n",
        why="One space separates the parts of a request line (RFC 9112 §3); to split at other white space is allowed there, and is how readers come to differ.",
    ),
    Case("two spaces in the request line", b"GET  /p HTTP/1.1\r\nHost: a.example\r\n\r\n", why=_ONE_BLANK),
    Case("RTSP/1.0", b"GET /p RTSP/1.0\r\nHost: a.example\r\n\r\n"),
    Case("bare LF before the request line", b"\nGET /p HTTP/1.1\r\nHost: a.example\r\n\r\n", why=_EMPTY),
    Case("bare CR before the request line", b"\rGET /p HTTP/1.1\r\nHost: a.example\r\n\r\n", why=_EMPTY),
    *(Case(f"{chr(byte)} in the path", get(b"/files/a%cb" % byte), why=_PCHAR) for byte in b'"<>{}^`'),
    Case("space before the method", b" GET /p HTTP/1.1\r\nHost: a.example\r\n\r\n"),
    Case("target without a slash", get(b"p")),
    Case("target is a query only", get(b"?a=1")),
    Case("absolute-form, the same host", get(b"http://a.example/p"), watch=frozenset(("host",)), why=_ABSOLUTE),
    Case("absolute-form, another host", get(b"http://b.example/p"), watch=frozenset(("host",)), why=_ABSOLUTE),
    Case("absolute-form, another scheme", get(b"ftp://a.example/p"), watch=frozenset(("host",))),
    Case(
        "absolute-form, userinfo",
        get(b"http://u:p@a.example/p"),
        watch=frozenset(("host",)),
        why="guard accepts origin-form only; userinfo in a target is an error in any case (RFC 9110 §4.2.4).",
    ),
    Case("absolute-form, no path", head(b"OPTIONS", b"http://a.example"), why=_ABSOLUTE),
    Case(
        "asterisk-form, OPTIONS *",
        head(b"OPTIONS", b"*"),
        why="It asks about a server as a whole (RFC 9110 §9.3.7); guard speaks for routes, not for the server behind it.",
    ),
    Case("asterisk-form, GET *", get(b"*")),
    Case("OPTIONS with a path", head(b"OPTIONS", b"/p")),
    Case(
        "CONNECT host:port",
        head(b"CONNECT", b"a.example:443", host=b"a.example:443"),
        why="guard makes no tunnels (RFC 9110 §9.3.6): a request for one is a bad request, and the connection is closed. Envoy has no route for it.",
    ),
    Case("CONNECT /p", head(b"CONNECT", b"/p")),
    Case(
        "TRACE",
        head(b"TRACE", b"/p"),
        why="TRACE would show a client what guard adds for the upstream (RFC 9110 §9.3.8); a policy cannot route it.",
    ),
    Case(
        "HEAD",
        head(b"HEAD", b"/p"),
    ),
    Case("unknown method", head(b"BREW", b"/p"), why=_METHOD),
    Case("method in lower case", head(b"get", b"/p"), why=_METHOD),
    Case("method with odd token characters", head(b"G!T", b"/p"), why=_METHOD),
    Case("method that is no token", head(b"G(T", b"/p")),
    Case(
        "PRI, the preface of HTTP/2",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        why="guard speaks HTTP/1.1 only; Envoy takes the preface (RFC 9113 §3.4) and answers in HTTP/2.",
    ),
    Case("target of 7 KiB", get(b"/p?" + b"x" * 7000)),
    Case(
        "target of 10 KiB",
        get(b"/p?" + b"x" * 10000),
        why="The default of `listen.limits.target` is 8 KiB, a little more than the 8000 octets that RFC 9112 §3 recommends to support; Envoy's 60 KiB are for the head as a whole.",
    ),
    Case(
        "target of 70 KiB",
        get(b"/p?" + b"x" * 70000),
        why="A target that is too long is 414 (RFC 9112 §3); Envoy counts it as part of its headers.",
    ),
    Case("HTTP/1.0", get(version=b"HTTP/1.0"), why=_OLD),
    Case("HTTP/1.0 without a Host", get(version=b"HTTP/1.0", host=None), why=_OLD),
    Case("HTTP/1.0, keep-alive", get(b"/p", b"Connection: keep-alive", version=b"HTTP/1.0"), why=_OLD),
    Case("HTTP/0.9", b"GET /p\r\n\r\n", why=_VERSION),
    Case("HTTP/1.2", get(version=b"HTTP/1.2"), why=_VERSION),
    Case("HTTP/2.0", get(version=b"HTTP/2.0"), why=_VERSION),
    Case("HTTP/01.1", get(version=b"HTTP/01.1")),
    Case("http/1.1 in lower case", get(version=b"http/1.1")),
    Case("TLS instead of HTTP", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
)
