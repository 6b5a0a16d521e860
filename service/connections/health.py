"""What is known of one backend on one event loop: whether it answers, and if asking is of use."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from .backend import Settings
from .errors import ConnectionUnavailable, PoolTimeout
from .redaction import told

log = logging.getLogger("service.connections")


class Health:
    """After repeated failures attempts fail at once; one task at a time finds out if it is back.

    Attributes:
        doubt: the last error, until the backend has answered; None if there is no doubt.
        failures: attempts in a row that failed.
    """

    def __init__(self, settings: Settings) -> None:
        self.doubt: BaseException | None = None
        self.failures = 0
        self._settings = settings
        self._retry_at = 0.0
        self._probing = False
        self._asking = asyncio.Lock()

    def check(self) -> bool:
        """True if the caller is to find out.

        Raises:
            ConnectionUnavailable: it is known that there is no use.
        """
        if self.failures < self._settings.fail_after:
            return False
        left = self._retry_at - asyncio.get_running_loop().time()
        if left <= 0 and not self._probing:
            return True
        raise ConnectionUnavailable(
            self._settings.name,
            f"{self.failures} attempts in a row failed, the last with {type(self.doubt).__name__}",
            retry_after=max(left, 0.0) or self._settings.fail_for,
        ) from self.doubt

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Within it a connection is opened; that it fails is held against the backend.

        Raises:
            ConnectionUnavailable: it failed, or there is no use.
        """
        probe = self.check()
        self._probing = self._probing or probe
        try:
            yield
        except PoolTimeout:
            raise  # many are at it, which says nothing against the backend
        except ConnectionUnavailable:
            self.failures += 1  # another's attempt failed for this one, too
            raise
        except Exception as error:
            log.warning("connection %r cannot be opened: %s", self._settings.name, told(error))
            self.failures += 1
            self._retry_at = asyncio.get_running_loop().time() + self._settings.fail_for
            raise self.lost(error) from error
        finally:
            if probe:
                self._probing = False

    @asynccontextmanager
    async def one_asks(self) -> AsyncIterator[bool]:
        """One task at a time is within it; it gets whether it is to ask the backend.

        Raises:
            ConnectionUnavailable: the one that did so before, meanwhile, got no answer.
        """
        failures = self.failures
        async with self._asking:
            if self.doubt is not None and self.failures != failures:
                raise self.lost(self.doubt)
            yield self.doubt is not None

    def answered(self) -> None:
        """The backend has: there is no doubt any more."""
        self.failures, self.doubt = 0, None

    def lost(self, error: BaseException) -> ConnectionUnavailable:
        """The error that tells of a connection lost to this driver's error.

        From now on connections are given out only if the backend answers, until one does.
        """
        self.doubt = _without_frames(error)
        unavailable = ConnectionUnavailable(
            self._settings.name, type(error).__name__, retry_after=self._settings.fail_for
        )
        unavailable.__cause__ = error
        return unavailable


def _without_frames(error: BaseException) -> BaseException:
    """The same error without the frames it came through, which hold a request and what it sent."""
    bare = type(error).__new__(type(error), *error.args)
    bare.__dict__.update(error.__dict__)
    return bare
