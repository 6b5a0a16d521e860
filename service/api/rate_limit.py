"""Counting attempts in Redis, in windows of fixed length."""

from __future__ import annotations

from redis.asyncio import Redis

# One step: a crash between the two would leave a counter that never ends.
_COUNT = """
local attempts = redis.call('INCR', KEYS[1])
if attempts == 1 then
    redis.call('PEXPIRE', KEYS[1], ARGV[1])
end
return {attempts, redis.call('PTTL', KEYS[1])}
"""


async def count_attempt(client: Redis, key: str, window: float) -> tuple[int, float]:
    """Count one more attempt under ``key`` in the current window of ``window`` seconds.

    Returns how many there have been, and the seconds until the window ends.
    """
    script = client.register_script(_COUNT)
    attempts, milliseconds = await script([f"attempts:{key}"], [int(window * 1000)])
    return attempts, milliseconds / 1000
