"""The garbage collector is asked less often while an app serves, and nothing grows for it."""

from __future__ import annotations

import gc
from weakref import WeakSet

import pytest
from quart import Quart

from service import collector

THRESHOLD = 5_000


class Cycle:
    """Refers to itself: nobody but the collector frees it."""

    def __init__(self) -> None:
        self.own = self


def app_with(threshold: int, living: WeakSet[Cycle] | None = None) -> Quart:
    app = Quart(__name__)
    collector.register(app, threshold)

    @app.get("/")
    async def index() -> str:
        for _ in range(100):
            assert living is not None
            living.add(Cycle())
        return "here"

    return app


async def test_what_requests_leave_is_collected_and_does_not_grow() -> None:
    living = WeakSet[Cycle]()
    async with app_with(THRESHOLD, living).test_app() as serving:
        client = serving.test_client()
        most = 0
        for _ in range(4 * THRESHOLD // 100):
            await client.get("/")
            most = max(most, len(living))
    assert 700 < most <= THRESHOLD


async def test_what_is_there_at_the_start_is_left_out_until_the_end() -> None:
    before = gc.get_threshold()
    async with app_with(THRESHOLD).test_app():
        assert gc.get_threshold()[0] == THRESHOLD
        assert gc.get_freeze_count() > 1000
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0


@pytest.mark.parametrize("name", ["before_serving_funcs", "after_serving_funcs"])
def test_zero_leaves_it_to_python(name: str) -> None:
    assert not getattr(app_with(0), name)
