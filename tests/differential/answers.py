"""Cases: answers of the upstream that are odd, broken or dangerous (RFC 9112 §6.3, §8)."""

from tests.differential.case import CLOSE, KEEP, MARK, RESET, Answer, Case, answer, get, head, sized

_LARGE = b"x" * 1048576
_HEAD = head(b"HEAD", b"/p")
_10 = get(b"/p", version=b"HTTP/1.0")


def _told(
    name: str,
    head_: bytes,
    body: bytes = b"",
    after: str = KEEP,
    *,
    request: bytes = get(),
    watch: frozenset[str] = frozenset(),
    fault: bool = False,
    why: str = "",
) -> Case:
    """A case about an answer: the request is an ordinary GET."""
    return Case(name, request, answer(head_, body, after), why, watch, fault=fault)


def _raw(name: str, raw: bytes, after: str = KEEP, *, request: bytes = get(), why: str = "") -> Case:
    """A case about an answer that is written out whole."""
    return Case(name, request, Answer(raw, after), why)


_SMALL = "A small answer is read whole before its head is sent, so its length is known; RFC 9112 §6.1 lets every hop frame anew. Trailers are dropped (§7.1.2)."
_BROKEN = "A small answer is read whole before its head is sent, so a broken one is still a 502 and not a 200 that ends halfway (RFC 9112 §8, RFC 9110 §15.6.3)."
_BAD = "No valid answer came from the upstream: that is 502 (RFC 9110 §15.6.3). 503 would say that guard itself is overloaded (§15.6.4)."
_BODILESS = "A 204 ends with its head whatever the fields say (RFC 9112 §6.3): guard passes it on without framing, and drops the connection where more bytes follow."
_STATUS = "Status codes outside 100 to 599 are invalid (RFC 9110 §15): 502."
_LINE = "An answer that is read in two ways is refused, as a request is: 502. RFC 9112 §2.2 and §5.2 allow to repair it."
_OLD = "Envoy refuses HTTP/1.0 unless configured; guard answers by length or until the close, never in chunks (RFC 9112 §6.1, §7)."
_UNCUT = "A body that the close ends must not be closed cleanly when it is cut (RFC 9112 §8): guard resets the connection, so that the client cannot take the part for the whole. Envoy refuses HTTP/1.0."

CASES = (
    _told("answer in chunks", b"200 OK\nTransfer-Encoding: chunked", b"2\r\n{}\r\n0\r\n\r\n", why=_SMALL),
    _told("answer until the close", b"200 OK", b"{}", CLOSE),
    _told(
        "answer until a reset",
        b"200 OK",
        b"{}",
        RESET,
        why="A reset is no end: only a clean close ends such a body (RFC 9112 §8). Envoy passes it on as whole, with a last chunk; guard answers 502.",
    ),
    _raw("answer HTTP/1.0 with a length", b"HTTP/1.0 200 OK\r\n" + MARK + b"Content-Length: 2\r\n\r\n{}", CLOSE),
    _raw(
        "answer HTTP/1.0 in chunks",
        b"HTTP/1.0 200 OK\r\n" + MARK + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        CLOSE,
        why=_SMALL,
    ),
    _raw(
        "answer HTTP/2.0",
        b"HTTP/2.0 200 OK\r\n" + MARK + b"Content-Length: 2\r\n\r\n{}",
        CLOSE,
        why="What claims another major version is not framed by the rules of this one (RFC 9110 §2.5); guard answers 502.",
    ),
    _raw("answer HTTP/0.9", b"{}", CLOSE),
    _raw("no answer, close", b"", CLOSE, why=_BAD),
    _raw("no answer, reset", b"", RESET, why=_BAD),
    Case(
        "no answer on a connection used before, GET",
        get(),
        Answer(b"", CLOSE),
        warm=True,
        why="A kept connection may be closed by the server at any time, so guard repeats a GET once (RFC 9110 §9.2.2, RFC 9112 §9.5), never a POST; then 502 (RFC 9110 §15.6.3). Envoy repeats where configured.",
    ),
    Case("no answer on a connection used before, POST", sized(), Answer(b"", CLOSE), warm=True, why=_BAD),
    _raw("head of an answer not whole", b"HTTP/1.1 200 OK\r\nContent-Le", CLOSE),
    _told("answer shorter than its length", b"200 OK\nContent-Length: 9", b"{}", CLOSE, why=_BROKEN),
    _told("answer shorter than its length, reset", b"200 OK\nContent-Length: 9", b"{}", RESET, why=_BROKEN),
    _told("answer ends inside a chunk", b"200 OK\nTransfer-Encoding: chunked", b"9\r\n{}", CLOSE),
    _told("answer without the last chunk", b"200 OK\nTransfer-Encoding: chunked", b"2\r\n{}\r\n", CLOSE),
    _told("answer with a bad chunk", b"200 OK\nTransfer-Encoding: chunked", b"2\r\n{}\r\nzz\r\n", why=_BROKEN),
    _told("large answer in chunks", b"200 OK\nTransfer-Encoding: chunked", b"100000\r\n" + _LARGE + b"\r\n0\r\n\r\n"),
    _told("large answer until the close", b"200 OK", _LARGE, CLOSE),
    _told(
        "large answer until a reset",
        b"200 OK",
        _LARGE,
        RESET,
        why="A reset is no end: only a clean close ends such a body (RFC 9112 §8). The head is out, so guard can but end without the last chunk; Envoy passes the body on as whole.",
    ),
    _told("large answer shorter than its length", b"200 OK\nContent-Length: 1048577", _LARGE, CLOSE),
    _told(
        "large answer without the last chunk",
        b"200 OK\nTransfer-Encoding: chunked",
        b"100000\r\n" + _LARGE + b"\r\n",
        CLOSE,
    ),
    _told("large answer with a bad chunk", b"200 OK\nTransfer-Encoding: chunked", b"100000\r\n" + _LARGE + b"\r\nzz\r\n"),
    _told(
        "large answer without the last chunk, to HTTP/1.0",
        b"200 OK\nTransfer-Encoding: chunked",
        b"100000\r\n" + _LARGE + b"\r\n",
        CLOSE,
        request=_10,
        why=_UNCUT,
    ),
    _told("large answer until a reset, to HTTP/1.0", b"200 OK", _LARGE, RESET, request=_10, why=_UNCUT),
    _told("large answer with bytes after it", b"200 OK\nContent-Length: 1048576", _LARGE + b"HTTP/1.1 200 OK\r\n\r\n"),
    _told(
        "large answer to HTTP/1.0",
        b"200 OK\nTransfer-Encoding: chunked",
        b"100000\r\n" + _LARGE + b"\r\n0\r\n\r\n",
        request=_10,
        why=_OLD,
    ),
    _told(
        "answer with trailers",
        b"200 OK\nTransfer-Encoding: chunked\nTrailer: X-Sum",
        b"2\r\n{}\r\n0\r\nX-Sum: 1\r\n\r\n",
        why=_SMALL,
    ),
    _told(
        "answer with a length and chunks", b"200 OK\nContent-Length: 2\nTransfer-Encoding: chunked", b"2\r\n{}\r\n0\r\n\r\n"
    ),
    _told("answer with Transfer-Encoding: gzip", b"200 OK\nTransfer-Encoding: gzip", b"{}", CLOSE),
    _told(
        "answer with Transfer-Encoding: gzip, chunked", b"200 OK\nTransfer-Encoding: gzip, chunked", b"2\r\n{}\r\n0\r\n\r\n"
    ),
    _told(
        "answer with Transfer-Encoding: chunked, identity",
        b"200 OK\nTransfer-Encoding: chunked, identity",
        b"2\r\n{}\r\n0\r\n\r\n",
        CLOSE,
    ),
    _told("answer with two equal lengths", b"200 OK\nContent-Length: 2\nContent-Length: 2", b"{}"),
    _told("answer with two different lengths", b"200 OK\nContent-Length: 2\nContent-Length: 3", b"{}!"),
    _told("answer with a list of lengths", b"200 OK\nContent-Length: 2, 2", b"{}"),
    _told("answer with length +2", b"200 OK\nContent-Length: +2", b"{}"),
    _raw(
        "interim 102, then 200",
        b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\n" + MARK + b"Content-Length: 2\r\n\r\n{}",
    ),
    _raw(
        "interim 103, then 200",
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n" + MARK + b"Content-Length: 2\r\n\r\n{}",
    ),
    _raw(
        "interim 100 that nobody asked for",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n" + MARK + b"Content-Length: 2\r\n\r\n{}",
    ),
    _raw(
        "twenty interims",
        b"HTTP/1.1 102 Processing\r\n\r\n" * 20 + b"HTTP/1.1 200 OK\r\n" + MARK + b"Content-Length: 2\r\n\r\n{}",
        why="More than eight interim answers are taken for an attack on patience: 502. None is passed on; RFC 9110 §15.2 lets a client ignore them.",
    ),
    _raw(
        "101 that nobody asked for",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\nhello",
        why="A server must not switch to a protocol that was not offered (RFC 9110 §7.8, §15.2.2), and guard offers none; after this the bytes are no HTTP. Envoy passes it on.",
    ),
    _raw("199 and no more", b"HTTP/1.1 199 Odd\r\n\r\n", CLOSE, why=_BAD),
    _told("204", b"204 No Content"),
    _told("204 with a length", b"204 No Content\nContent-Length: 2", why=_BODILESS),
    _told("204 with a body", b"204 No Content\nContent-Length: 2", b"{}", why=_BODILESS),
    _told("204 in chunks", b"204 No Content\nTransfer-Encoding: chunked", b"2\r\n{}\r\n0\r\n\r\n", why=_BODILESS),
    _told("205 with a body", b"205 Reset Content\nContent-Length: 2", b"{}"),
    _told("304 with a length", b'304 Not Modified\nETag: "a"\nContent-Length: 2'),
    _told("304 with a body", b"304 Not Modified\nContent-Length: 2", b"{}"),
    _told("HEAD with a length", b"200 OK\nContent-Length: 2", request=_HEAD),
    _told("HEAD in chunks", b"200 OK\nTransfer-Encoding: chunked", request=_HEAD),
    _told("HEAD without framing", b"200 OK", request=_HEAD),
    _told("HEAD with a body", b"200 OK\nContent-Length: 2", b"{}", request=_HEAD),
    _told("status 099", b"099 Odd\nContent-Length: 2", b"{}"),
    _told("status 299", b"299 Odd\nContent-Length: 2", b"{}"),
    _told("status 600", b"600 Odd\nContent-Length: 2", b"{}", why=_STATUS),
    _told("status 999", b"999 Odd\nContent-Length: 2", b"{}", why=_STATUS),
    _told("status 20x", b"20x Odd\nContent-Length: 2", b"{}"),
    _told("status of two digits", b"20 Odd\nContent-Length: 2", b"{}"),
    _raw("status line without a reason", b"HTTP/1.1 200\r\n" + MARK + b"Content-Length: 2\r\n\r\n{}"),
    _told("redirect", b"302 Found\nLocation: http://169.254.169.254/\nContent-Length: 0"),
    _told("401 with a challenge", b"401 Unauthorized\nWWW-Authenticate: Basic\nContent-Length: 0"),
    _told("500 of the upstream", b"500 Internal Server Error\nContent-Length: 2", b"{}"),
    _told("503 of the upstream", b"503 Service Unavailable\nRetry-After: 7\nContent-Length: 2", b"{}"),
    _told("426 of the upstream", b"426 Upgrade Required\nUpgrade: h2c\nConnection: Upgrade\nContent-Length: 0"),
    _told("control byte in an answer's header", b"200 OK\nX-A: a\x01b\nContent-Length: 2", b"{}"),
    _told("NUL in an answer's header", b"200 OK\nX-A: a\x00b\nContent-Length: 2", b"{}"),
    _told("8-bit in an answer's header", b"200 OK\nX-A: \xff\nContent-Length: 2", b"{}"),
    _told("space before the colon in an answer", b"200 OK\nX-A : 1\nContent-Length: 2", b"{}"),
    _told("folded header in an answer", b"200 OK\nX-A: 1\n 2\nContent-Length: 2", b"{}", why=_LINE),
    _told("underscore in an answer's name", b"200 OK\nX_A: 1\nContent-Length: 2", b"{}"),
    _raw("bare LF in an answer", b"HTTP/1.1 200 OK\n" + MARK.replace(b"\r", b"") + b"Content-Length: 2\n\n{}", why=_LINE),
    _raw(
        "bare CR in an answer",
        b"HTTP/1.1 200 OK\r\n" + MARK + b"X-A: 1\rX-B: 2\r\nContent-Length: 2\r\n\r\n{}",
        why="A bare CR makes the element invalid, or is replaced by a space (RFC 9112 §2.2); Envoy joins the two sides instead, guard answers 502.",
    ),
    _told("bytes after an answer", b"200 OK\nContent-Length: 2", b"{}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"),
    _told("garbage after an answer", b"200 OK\nContent-Length: 2", b"{}\x00\x01garbage"),
    _told(
        "bytes after chunks",
        b"200 OK\nTransfer-Encoding: chunked",
        b"2\r\n{}\r\n0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
        why=_SMALL,
    ),
    _told(
        "hop-by-hop headers of an answer",
        b"200 OK\nConnection: x-secret\nX-Secret: 1\nKeep-Alive: timeout=5\nProxy-Connection: close\nContent-Length: 2",
        b"{}",
        why="What Connection nominates belongs to that connection and must be removed (RFC 9110 §7.6.1), in answers as in requests.",
    ),
    _told(
        "Proxy-Authenticate of an answer",
        b"407 Proxy Authentication Required\nProxy-Authenticate: Basic\nContent-Length: 0",
        why="The challenge is for the next client on the way back (RFC 9110 §11.7.1), which is guard; it answers none, and does not ask its clients to.",
    ),
    _told("Connection: close of an answer", b"200 OK\nConnection: close\nContent-Length: 2", b"{}", CLOSE),
    _told(
        "duplicate headers of an answer",
        b"200 OK\nSet-Cookie: a=1\nSet-Cookie: b=2\nX-A: 1\nx-a: 2\nContent-Length: 2",
        b"{}",
    ),
    _told(
        "Server and Date of an answer",
        b"200 OK\nServer: model\nDate: Sun, 06 Nov 1994 08:49:37 GMT\nContent-Length: 2",
        b"{}",
        watch=frozenset(("server", "date")),
        why="Server names the origin, and guard is not the origin (RFC 9110 §10.2.4); Envoy writes its own name over it.",
    ),
    _told(
        "answer without a Date",
        b"200 OK\nContent-Length: 2",
        b"{}",
        watch=frozenset(("date",)),
    ),
    _told(
        "Via of an answer",
        b"200 OK\nVia: 1.1 model\nContent-Length: 2",
        b"{}",
        watch=frozenset(("via",)),
        why="An intermediary adds itself to Via (RFC 9110 §7.6.3), which Envoy does only where configured.",
    ),
    _told("X-Guard header of an answer", b"200 OK\nX-Guard-Source: model\nContent-Length: 2", b"{}"),
    _told(
        "110 headers of an answer",
        b"200 OK" + b"".join(b"\nx%d: 1" % i for i in range(108)) + b"\nContent-Length: 2",
        b"{}",
        why="guard takes up to 128 header lines from its upstream, Envoy 100.",
    ),
    _told(
        "140 headers of an answer",
        b"200 OK" + b"".join(b"\nx%d: 1" % i for i in range(138)) + b"\nContent-Length: 2",
        b"{}",
    ),
    _told("headers of 50 KiB of an answer", b"200 OK\nX-A: " + b"y" * 50000 + b"\nContent-Length: 2", b"{}"),
    _told(
        "headers of 70 KiB of an answer",
        b"200 OK\nX-A: " + b"y" * 70000 + b"\nContent-Length: 2",
        b"{}",
        why="guard takes up to 64 KiB of headers from its upstream: 502 beyond, for they would be held in memory for every answer.",
    ),
    _told(
        "answer to HTTP/1.0 in chunks",
        b"200 OK\nTransfer-Encoding: chunked",
        b"2\r\n{}\r\n0\r\n\r\n",
        request=_10,
        why=_OLD,
    ),
)
