"""The date of an answer is the time of the answer."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from time import time
from wsgiref.handlers import format_date_time

import pytest
from hypercorn.config import Config

from service import response_date


@pytest.mark.parametrize("timestamp", [0.0, 0.9, 1.0, 784111777.999, 784111778.0, 0.5])
def test_it_is_what_the_standard_library_makes_of_it(timestamp: float) -> None:
    assert response_date.date(timestamp) == format_date_time(timestamp)


def test_within_a_second_it_is_formatted_once() -> None:
    assert response_date.date(1000.1) is response_date.date(1000.9)


def test_hypercorn_asks_for_it_with_every_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hypercorn.config.format_date_time", None)
    response_date.register()
    response_date.date(0)
    before = int(time())
    found = dict(Config().response_headers("h11"))[b"date"].decode()
    assert before <= parsedate_to_datetime(found).timestamp() <= time()
