"""Passwords: hashed elsewhere than on the event loop, and never good for nobody."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator

import pytest
from argon2 import PasswordHasher

from service.api.passwords import hash_password, is_outdated, verify_password

from .apps import PASSWORD, make_app


@pytest.fixture(autouse=True)
async def context() -> AsyncIterator[None]:
    """An app context, of an app without any backend."""
    async with make_app({}).app_context():
        yield


async def test_a_password_is_good_for_its_own_hash_only() -> None:
    stored = await hash_password(PASSWORD)

    assert stored != await hash_password(PASSWORD)
    assert await verify_password(stored, PASSWORD)
    assert not await verify_password(stored, PASSWORD.upper())
    assert not is_outdated(stored)


@pytest.mark.parametrize("stored", [None, "", "no hash at all", "$argon2id$v=19$m=8,t=1,p=1$x$y"])
async def test_no_password_is_good_where_none_is_stored(stored: str | None) -> None:
    for password in (PASSWORD, "", "a password that nobody has"):
        assert not await verify_password(stored, password)


async def test_the_event_loop_hashes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[threading.Thread] = []
    for name in ("hash", "verify"):
        work = getattr(PasswordHasher, name)

        def noting(self: PasswordHasher, *args: str, work: object = work) -> object:
            threads.append(threading.current_thread())
            return work(self, *args)  # type: ignore[operator]

        monkeypatch.setattr(PasswordHasher, name, noting)

    await verify_password(await hash_password(PASSWORD), PASSWORD)
    await verify_password(None, PASSWORD)
    assert len(threads) >= 3
    assert threading.main_thread() not in threads
