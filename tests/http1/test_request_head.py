"""What is read as a plain request is what h11 reads, and every day's requests are plain."""

from __future__ import annotations

import h11
import pytest
from hypercorn.utils import suppress_body
from hypothesis import example, given
from hypothesis import strategies as st

from service.http1 import request_head

PLAIN = {
    "curl": b"GET /a?b=c HTTP/1.1\r\nHost: here:8000\r\nUser-Agent: curl\r\nAccept: */*\r\n\r\n",
    "httpx": b"POST / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\nContent-Length: 12\r\n\r\n",
    "a browser": b"GET / HTTP/1.1\r\nHost: here\r\nCookie: a=b; c=\xc3\xa4\r\nDNT:1\r\nX:\r\n\r\n",
    "ab": b"HEAD / HTTP/1.0\r\nHost: here\r\nConnection: Keep-Alive\r\n\r\n",
    "nginx": b"DELETE /a%20b HTTP/1.0\r\nHost: here\r\nConnection: close\r\n\r\n",
    "no host": b"GET / HTTP/1.0\r\n\r\n",
}
NOT_PLAIN = {
    "chunked": b"POST / HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n",
    "a WebSocket": b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n\r\n",
    "an upgrade": b"GET / HTTP/1.1\r\nHost: here\r\nUpgrade: h2c\r\n\r\n",
    "expects": b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
    "no length": b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: +1\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: here\r\nHost: there\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\nAccept: */*\r\n\r\n",
    "a folded line": b"GET / HTTP/1.1\r\nHost: here\r\nX: a\r\n b\r\n\r\n",
    "a space before the colon": b"GET / HTTP/1.1\r\nHost : here\r\n\r\n",
    "a proxy's": b"GET http://here/ HTTP/1.1\r\nHost: here\r\n\r\n",
    "a method in lower case": b"head / HTTP/1.1\r\nHost: here\r\n\r\n",
    "CONNECT": b"CONNECT / HTTP/1.1\r\nHost: here\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\n",
    "lines without CR": b"GET / HTTP/1.1\nHost: here\n\n",
}


def mostly(right: list[bytes], wrong: list[bytes]) -> st.SearchStrategy[bytes]:
    """Nine times out of ten what is right."""
    return st.integers(0, 9).flatmap(lambda n: st.sampled_from(right if n else wrong))


ENDS = mostly([b"\r\n"], [b"\n", b"\r", b"\r\r\n", b"\r\n "])
NAMES = [b"Content-Length", b"Connection", b"Accept", b"x-y", b"!"]
VALUES = [b"here", b"1", b"003", b"close", b"Keep-Alive", b" \ta\tb ", b"\xe4", b""]
lines = st.tuples(
    mostly(NAMES, [b"Host", b"Transfer-Encoding", b"Upgrade", b"Expect", b"x y", b"", b"\0"]),
    mostly([b":", b": ", b":\t "], [b" :", b""]),
    mostly(VALUES, [b"1, 1", b"-1", b"chunked", b"a\0", b"\x01", b"\x0b", b"\x7f", b"a\rb"]),
    ENDS,
).map(b"".join)
first_lines = st.tuples(
    mostly([b"GET", b"HEAD", b"M-X"], [b"", b"G\0T", b"\r\nGET", b"G(T", b"head", b"CONNECT"]),
    mostly([b" "], [b"  ", b"\t"]),
    mostly([b"/", b"/a?b=%20", b"//"], [b"*", b"http://here/", b"/\xe4", b"/a b", b"/\x7f"]),
    mostly([b" HTTP/1.1", b" HTTP/1.0"], [b" HTTP/1.2", b" HTTP/2.0", b" http/1.1", b""]),
    ENDS,
).map(b"".join)
hosts = mostly([b"Host: here\r\n"], [b"", b"Host: a\r\nhost: b\r\n"])
heads = st.tuples(first_lines, hosts, st.lists(lines, max_size=3).map(b"".join), ENDS).map(b"".join)


def connection() -> h11.Connection:
    """A server's, as Hypercorn makes it."""
    return h11.Connection(h11.SERVER, max_incomplete_event_size=16384)


@given(heads | st.binary(max_size=60))
@example(b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 003\r\n\r\n")
@example(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
def test_what_is_plain_is_read_as_h11_reads_it(text: bytes) -> None:
    head = request_head.read(text)
    if head is None:
        return
    peer = connection()
    peer.receive_data(text)
    request = peer.next_event()
    assert isinstance(request, h11.Request)
    assert peer.trailing_data[0] == b""
    assert request.method.decode().upper() == head.method
    assert (request.target, request.http_version.decode()) == (head.target, head.http_version)
    assert list(request.headers) == head.headers
    peer.receive_data(b"x" * head.length)
    bodies = [peer.next_event() for _ in range(2 if head.length else 1)]
    assert bodies[-1] == h11.EndOfMessage()
    assert sum(len(body.data) for body in bodies if isinstance(body, h11.Data)) == head.length
    peer.send(h11.Response(status_code=200, headers=[("content-length", "1")]))
    if not suppress_body(head.method, 200):
        peer.send(h11.Data(data=b"x"))
    peer.send(h11.EndOfMessage())
    assert (peer.our_state is h11.DONE) == head.keeps_alive


@given(heads | st.binary(min_size=1, max_size=60), st.binary(max_size=3))
def test_a_head_ends_where_h11_ends_it(text: bytes, rest: bytes) -> None:
    peer = connection()
    peer.receive_data(text + rest)
    try:
        event = peer.next_event()
    except h11.RemoteProtocolError:
        return
    end = request_head.end(text + rest, 0)
    searched = len(text) if request_head.end(text, 0) is None else 0
    assert request_head.end(text + rest, searched) == end
    if event is h11.NEED_DATA:
        assert end is None
    else:
        assert end == len(text + rest) - len(peer.trailing_data[0])


@pytest.mark.parametrize("text", PLAIN.values(), ids=list(PLAIN))
def test_requests_of_every_day_are_plain(text: bytes) -> None:
    assert request_head.read(text) is not None


@pytest.mark.parametrize("text", NOT_PLAIN.values(), ids=list(NOT_PLAIN))
def test_what_else_there_is_to_know_is_h11_s(text: bytes) -> None:
    assert request_head.read(text) is None


def test_a_head_that_is_long_and_wrong_costs_no_more_than_its_length() -> None:
    field = b"X: " + b" \t" * 2000 + b"\r\n"
    for text in (field * 4, field * 4 + b"\0", b"X" * 16000, b" " * 16000):
        assert request_head.read(b"GET / HTTP/1.1\r\nHost: here\r\n" + text + b"\r\n\r\n") is None
