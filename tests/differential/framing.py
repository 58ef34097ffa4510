"""Cases: how the body of a request is delimited (RFC 9112 §6, §7), and requests that follow each other."""

from tests.differential.case import Case, answer, chunked, get, post, sized

_BODY = b"3\r\nabc\r\n0\r\n\r\n"
_SMUGGLED = b"GET /p?smuggled HTTP/1.1\r\nHost: a.example\r\n\r\n"

_LF = "A lone LF may be taken for a line end (RFC 9112 §2.2), and readers differ about it; guard takes CRLF only, so that no reader behind it can cut the message elsewhere (§11.2)."
_LAST = "Where chunked is not the last coding the length cannot be known: 400 and close (RFC 9112 §6.3). Envoy names the coding first, with 501."
_ONCE = "Chunked may not be applied more than once (RFC 9112 §6.1): a framing that is wrong is 400; Envoy answers 501 to every coding but one chunked."

CASES = (
    Case("body by length", sized()),
    Case(
        "POST without framing",
        post(body=b""),
    ),
    Case(
        "POST with Content-Length 0",
        sized(body=b""),
    ),
    Case("GET with a body", get(b"/p", b"Content-Length: 3") + b"abc"),
    Case("chunked", chunked(_BODY)),
    Case("chunks of one byte", chunked(b"1\r\na\r\n1\r\nb\r\n1\r\nc\r\n0\r\n\r\n")),
    Case("chunk sizes with zeros and capitals", chunked(b"000003\r\nabc\r\n0A\r\n0123456789\r\n000\r\n\r\n")),
    Case("chunk extension", chunked(b"3;a=b\r\nabc\r\n0;c\r\n\r\n")),
    Case(
        "chunk extension, quoted CRLF",
        chunked(b'3;a="b\r\nabc"\r\nabc\r\n0\r\n\r\n'),
        why="A quoted string holds no CR or LF (RFC 9110 §5.6.4); Envoy ends the extension there and takes what follows for data. guard does not guess where a chunk starts.",
    ),
    Case(
        "chunk extension of 5 KiB",
        chunked(b"3;a=" + b"b" * 5120 + b"\r\nabc\r\n0\r\n\r\n"),
        why="Extensions are bytes that count against no limit of body or head; guard bounds them at 4 KiB, as RFC 9112 §7.1.1 says a server ought to.",
    ),
    Case(
        "chunk extension of 20 KiB",
        chunked(b"3;a=" + b"b" * 20480 + b"\r\nabc\r\n0\r\n\r\n"),
        why="Extensions are bytes that count against no limit of body or head; guard bounds them at 4 KiB, as RFC 9112 §7.1.1 says a server ought to.",
    ),
    Case("chunk extension ends in a bare LF", chunked(b"3;a\nabc\r\n0\r\n\r\n")),
    Case("chunk size ends in a bare LF", chunked(b"3\nabc\r\n0\r\n\r\n")),
    Case("chunk size ends in a bare CR", chunked(b"3\rabc\r\n0\r\n\r\n")),
    Case("space before the chunk size", chunked(b" 3\r\nabc\r\n0\r\n\r\n")),
    Case(
        "space after the chunk size",
        chunked(b"3 \r\nabc\r\n0\r\n\r\n"),
        why="After the size comes an extension or CRLF (RFC 9112 §7.1); blanks that no extension follows are not in the grammar.",
    ),
    Case("chunk size 0x3", chunked(b"0x3\r\nabc\r\n0\r\n\r\n")),
    Case("chunk size +3", chunked(b"+3\r\nabc\r\n0\r\n\r\n")),
    Case("chunk size of 17 digits", chunked(b"10000000000000003\r\nabc\r\n0\r\n\r\n")),
    Case(
        "chunk longer than its size",
        chunked(b"3\r\nabcX\r\n0\r\n\r\n"),
        why="CRLF follows the data of a chunk (RFC 9112 §7.1). Another byte there means that two readers disagree on lengths, which is how requests are smuggled (§11.2).",
    ),
    Case("chunks, then garbage", (chunked(b"3\r\nabc\r\n"), b"zz\r\nabc\r\n0\r\n\r\n")),
    Case("chunks, then the client leaves", (chunked(b"3\r\nabc\r\n"), b""), half_close=True),
    Case("trailers", chunked(b"3\r\nabc\r\n0\r\nX-Sum: 1\r\nX-Forwarded-For: 6.6.6.6\r\nHost: evil\r\n\r\n")),
    Case(
        "trailers that were announced",
        chunked(b"3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n", b"Trailer: X-Sum", b"TE: trailers"),
        why="TE and Trailer describe one connection (RFC 9110 §7.6.1, §10.1.4). guard, like Envoy, drops the trailers themselves (RFC 9112 §7.1.2), so it announces none.",
    ),
    Case("trailer with a bad name", chunked(b"3\r\nabc\r\n0\r\nX Sum: 1\r\n\r\n")),
    Case(
        "trailer Content-Length",
        chunked(b"3\r\nabc\r\n0\r\nContent-Length: 9\r\n\r\n"),
        why="Fields that frame a message may not be trailers (RFC 9110 §6.5.1); who sends one is trying something.",
    ),
    Case("length and chunked", post(b"Content-Length: 3", b"Transfer-Encoding: chunked", body=_BODY)),
    Case("chunked and length", post(b"Transfer-Encoding: chunked", b"Content-Length: 3", body=_BODY)),
    Case("length 0 and chunked, a request inside", chunked(b"0\r\n\r\n" + _SMUGGLED, b"Content-Length: 5")),
    Case("two equal lengths", post(b"Content-Length: 3", b"Content-Length: 3")),
    Case("two different lengths", post(b"Content-Length: 3", b"Content-Length: 4", body=b"abcd")),
    Case("list of equal lengths", post(b"Content-Length: 3, 3")),
    Case("length +3", post(b"Content-Length: +3")),
    Case("length -1", post(b"Content-Length: -1")),
    Case("length 0x3", post(b"Content-Length: 0x3")),
    Case("length 1_0", post(b"Content-Length: 1_0", body=b"0123456789")),
    Case("length 003", post(b"Content-Length: 003")),
    Case("length 2^64+3", post(b"Content-Length: 18446744073709551619")),
    Case("empty length", post(b"Content-Length:", body=b"")),
    Case("length with a space inside", post(b"Content-Length: 1 0", body=b"0123456789")),
    Case("tab around the length", post(b"Content-Length:\t3\t")),
    Case("Transfer-Encoding: CHUNKED", post(b"Transfer-Encoding: CHUNKED", body=_BODY)),
    Case(
        "Transfer-Encoding: gzip, chunked",
        post(b"Transfer-Encoding: gzip, chunked", body=_BODY),
        why="guard decodes chunked alone. RFC 9112 §6.1 suggests 501; guard has one answer, 400 and close, to every framing that it cannot read.",
    ),
    Case("Transfer-Encoding: gzip", post(b"Transfer-Encoding: gzip", body=_BODY), why=_LAST),
    Case("Transfer-Encoding: identity", post(b"Transfer-Encoding: identity", body=_BODY), why=_LAST),
    Case("Transfer-Encoding: identity, with a length", post(b"Transfer-Encoding: identity", b"Content-Length: 3")),
    Case("Transfer-Encoding: chunked, identity", post(b"Transfer-Encoding: chunked, identity", body=_BODY), why=_LAST),
    Case("Transfer-Encoding: chunked, chunked", post(b"Transfer-Encoding: chunked, chunked", body=_BODY), why=_ONCE),
    Case(
        "Transfer-Encoding twice", post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked", body=_BODY), why=_ONCE
    ),
    Case("Transfer-Encoding: xchunked", post(b"Transfer-Encoding: xchunked", body=_BODY), why=_LAST),
    Case("Transfer-Encoding: chunked;q=1", post(b"Transfer-Encoding: chunked;q=1", body=_BODY), why=_LAST),
    Case("Transfer-Encoding: VT chunked", post(b"Transfer-Encoding: \x0bchunked", body=_BODY)),
    Case("Transfer-Encoding empty", post(b"Transfer-Encoding:", body=_BODY), why=_LAST),
    Case("Transfer-Encoding, space before the colon", post(b"Transfer-Encoding : chunked", body=_BODY)),
    Case(
        "Transfer_Encoding and a length",
        sized(b"Transfer_Encoding: chunked"),
        why="Servers that map headers to variables cannot tell this name from Transfer-Encoding; guard refuses names with an underscore, as Envoy's own advice for edges has it.",
    ),
    Case(
        "chunked in HTTP/1.0",
        post(b"Transfer-Encoding: chunked", body=_BODY, version=b"HTTP/1.0"),
        why="Chunked in HTTP/1.0 is faulty framing (RFC 9112 §6.1), so 400. Envoy refuses all of HTTP/1.0 unless configured.",
    ),
    Case("bare LF everywhere", sized().replace(b"\r\n", b"\n"), why=_LF),
    Case("one header ends in a bare LF", get(b"/p", b"X-A: 1\nX-B: 2"), why=_LF),
    Case(
        "one header ends in a bare CR",
        get(b"/p", b"X-A: 1\rX-B: 2"),
        why="A bare CR makes the element invalid, or is replaced by a space (RFC 9112 §2.2); Envoy joins the two sides instead, guard refuses.",
    ),
    Case("head ends in LF LF", get()[:-4] + b"\n\n", why=_LF),
    Case("empty lines before the request", b"\r\n\r\n" + get()),
    Case("pipelined", sized() + chunked(_BODY) + get()),
    Case("pipelined, then garbage", sized() + b"\x00\x01garbage\r\n\r\n"),
    Case("bytes after the body", sized() + b"\r\n" + get(b"/p?second")),
    Case("a request after Connection: close", get(b"/p", b"Connection: close") + get(b"/p?second")),
    Case("body not whole, client waits", post(b"Content-Length: 9"), answer(b"200 OK\nContent-Length: 2", b"{}")),
    Case("body not whole, client leaves", (post(b"Content-Length: 9"), b""), half_close=True),
    Case(
        "client ends its side after the request",
        (get(), b""),
        answer(b"200 OK\nContent-Length: 2", b"{}", delay=0.5),
        half_close=True,
    ),
    Case(
        "answered before the body",
        post(b"Content-Length: 9"),
        answer(b"413 Content Too Large\nContent-Length: 2", b"{}", early=True),
    ),
)
