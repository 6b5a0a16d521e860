"""What is written as a plain answer is what h11 writes, byte for byte."""

from __future__ import annotations

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.http1 import answer_head

DATE = (b"date", b"Sun, 06 Nov 1994 08:49:37 GMT")
WRONG_NAMES = [b"x y", b"", b"x:", b"x\r\ny", b"x: y"]
NAMES = [b"content-length", b"Content-Type", b"set-cookie", b"transfer-encoding", b"connection"]
VALUES = [
    b"3",
    b"a",
    b"",
    b"a b",
    b"\xe4",
    b"a\r\nb: c",
    b"a\n",
    b"\0",
    b"chunked",
    b"close",
    b"\x7f",
]
headers = st.lists(
    st.tuples(
        st.sampled_from([*NAMES, b"host", b"x y", b"", b"x:", b"x\r\ny", b"x: y"])
        | st.binary(max_size=3),
        st.sampled_from(VALUES) | st.binary(max_size=4),
    ),
    max_size=4,
)
announced = st.sampled_from([[(b"content-length", b"5")], [(b"Content-Length", b"0")], []])


@given(st.sampled_from([200, 204, 304, 404, 500, 999, 1000, 199, 100]), announced, headers)
def test_what_is_plain_is_written_as_h11_writes_it(
    status: int, first: list[tuple[bytes, bytes]], more: list[tuple[bytes, bytes]]
) -> None:
    given_headers = first + [(name.strip(), value.strip()) for name, value in more]
    written = answer_head.write(status, given_headers, [DATE])
    if written is None:
        return
    text, length = written
    peer = h11.Connection(h11.SERVER)
    peer.receive_data(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
    peer.next_event()
    response = h11.Response(status_code=status, headers=[*given_headers, DATE])
    assert peer.send(response) == text + b"\r\n"
    assert peer.send(h11.Data(data=b"x" * length)) == b"x" * length
    assert peer.send(h11.EndOfMessage()) == b""
    assert peer.our_state is h11.DONE


def test_an_answer_of_every_day_is_plain() -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", b"12")]
    assert answer_head.write(200, headers, [DATE]) is not None
    assert answer_head.write(204, headers[:1], [DATE]) is not None


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (200, []),
        (200, [(b"content-length", b"1"), (b"x", b"a\r\ncontent-length: 2")]),
        (200, [(b"content-length", b"1"), (b"x: a\r\ny", b"a")]),
        (200, [(b"content-length", b"1"), (b"x", b"a\nb")]),
        (200, [(b"content-length", b"1"), (b"set-cookie: a=b; x", b"a")]),
        (200, [(b"content-length", b"1"), (b"content-length", b"2")]),
        (200, [(b"content-length", b"1"), (b"transfer-encoding", b"chunked")]),
        (200, [(b"content-length", b"1"), (b"Connection", b"close")]),
        (200, [(b"content-length", b"-1")]),
        (100, [(b"content-length", b"0")]),
    ],
)
def test_what_is_not_plain_is_h11_s(status: int, headers: list[tuple[bytes, bytes]]) -> None:
    assert answer_head.write(status, headers, [DATE]) is None
