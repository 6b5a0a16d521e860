"""asyncpg's pool where it has nothing to wait for: without the tasks that its own methods take."""

from __future__ import annotations

from typing import Any

from .tasks import result_now


def acquire_nowait(pool: Any) -> Any | None:
    """The connection given back last; None if it was lost or has expired, or there is none."""
    idle = pool._queue._queue
    if not idle or pool.is_closing():
        return None
    holder = idle[-1]
    if not holder.is_connected() or holder._generation != pool._generation:
        return None
    return result_now(pool._acquire(None))


def release_nowait(pool: Any, connection: Any) -> bool:
    """Take back what need not be cleaned, nor closed for its age; False for anything else."""
    session, holder = connection._con, connection._holder
    if session is None:
        return True  # it was lost, which the pool has heard of
    if (
        session.is_closed()
        or session.needs_reset()
        or cancels_query(session)
        or session._protocol.queries_count >= holder._max_queries
        or holder._generation != pool._generation
    ):
        return False
    session._on_release()
    result_now(holder.release(None))
    return True


def cancels_query(session: Any) -> bool:
    """Whether a query still runs, of a task that outlived its context, say; it is cancelled."""
    draining = session._protocol._drain_cancels()
    try:
        draining.send(None)
    except StopIteration:
        return False
    draining.close()
    return True
