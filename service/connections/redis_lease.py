"""The Redis client as one context has it: what it opened and did not close ends with it."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final, NoReturn, cast
from weakref import WeakSet

import redis.asyncio as driver
from redis import exceptions
from redis.asyncio.client import Pipeline, ResponseCallbackT
from redis.asyncio.cluster import (
    ClusterNode,
    ClusterPipeline,
    ClusterPubSub,
    TransactionStrategy,
)
from redis.client import CaseInsensitiveDict

from .redis_pool import Cluster, Sockets
from .redis_session import Session

_ENDED: Final = "This Redis client has been given back: its context, or its block, has ended."


class LeasedSockets:
    """The pool of everybody, as one context sees it: it knows which sockets the context holds.

    Whatever of the driver takes a socket, takes it from here: a command for a moment, a pipeline
    that watches, a subscription, a monitor or a client of its own socket for long.
    """

    __slots__ = ("_ended", "_held", "_holders", "_may_hold", "_pool")

    def __init__(self, pool: Sockets) -> None:
        self._pool = pool
        self._held: set[Session] = set()
        self._holders: list[driver.Redis] = []
        self._may_hold: WeakSet[driver.Redis] = WeakSet()
        self._ended = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pool, name)

    def __repr__(self) -> str:
        return repr(self._pool)

    async def get_connection(self, *_: Any, **__: Any) -> Session:
        """A connected socket. Raises `PoolTimeout` if there is none in time."""
        self._refuse_if_ended()
        connection = await self._pool.get_connection()
        if self._ended:
            await self._pool.release(connection)
            self._refuse_if_ended()
        self._held.add(connection)
        return connection

    async def release(self, connection: Session) -> None:
        """Give one back, unless the end of the context has done so."""
        if connection in self._held:
            self._held.remove(connection)
            await self._pool.release(connection)

    async def disconnect(self, inuse_connections: bool = True) -> None:
        """Nothing: the sockets are everybody's."""

    async def aclose(self) -> None:
        """Nothing: the pool is everybody's."""

    def remember(self, holder: driver.Redis) -> None:
        """What may come to hold a socket: collected with it, it would complain of its user."""
        self._may_hold.update(self._holders)
        self._holders = [other for other in self._may_hold if other.connection is not None]
        self._holders.append(holder)

    async def end(self) -> None:
        """Close what the context still holds. Does not wait."""
        self._ended = True
        while self._held:
            await self._pool.drop(self._held.pop())
        for holder in (*self._may_hold, *self._holders):
            holder.connection = None

    def _refuse_if_ended(self) -> None:
        if self._ended:
            raise exceptions.RedisError(_ENDED)


class LeasedRedis(driver.Redis):
    """A client for one context, over the sockets of all."""

    connection_pool: Any

    @classmethod
    def of(cls, client: driver.Redis) -> LeasedRedis:
        """One more. But for the sockets it takes, it shares everything with `client`."""
        lease = cls.__new__(cls)
        sockets = LeasedSockets(client.connection_pool)  # type: ignore[arg-type]
        lease.__dict__ = {**client.__dict__, "connection_pool": sockets}
        return lease

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> Pipeline:
        pipeline = super().pipeline(transaction, shard_hint)
        self.connection_pool.remember(pipeline)
        return pipeline

    def client(self) -> driver.Redis:
        client = super().client()
        self.connection_pool.remember(client)
        return client

    def set_response_callback(self, command: str, callback: ResponseCallbackT) -> None:
        self.response_callbacks = CaseInsensitiveDict(cast(Any, self.response_callbacks))
        super().set_response_callback(command, callback)

    async def end(self) -> None:
        """Close what it still holds: the context has ended. Does not wait."""
        await self.connection_pool.end()


class LeasedCluster(Cluster):
    """A cluster client for one context, over the sockets of all.

    It has nothing of its own but the transactions and subscriptions begun through it, which hold
    sockets of the nodes.
    """

    def __init__(self, client: Cluster) -> None:
        self.__dict__.update(_client=client, _transactions=[], _subscriptions=[], _ended=False)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["_client"], name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.__dict__["_client"], name, value)

    def __del__(self, *_: Any) -> None:
        """Nothing: it is the client that must be closed."""

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        self._refuse_if_ended()
        return await self._client.execute_command(*args, **options)

    async def aclose(self) -> None:
        """Nothing: the client is everybody's."""

    def set_response_callback(self, command: str, callback: ResponseCallbackT) -> NoReturn:
        """Refused: it would change the answers of everybody."""
        raise exceptions.RedisError(
            "The client of a cluster is everybody's: no callback is its own."
        )

    def pipeline(
        self, transaction: Any | None = None, shard_hint: Any | None = None
    ) -> ClusterPipeline:
        pipeline = super().pipeline(transaction, shard_hint)
        if transaction:
            pipeline._execution_strategy = _Transaction(pipeline)
        return pipeline

    def pubsub(self, *args: Any, **options: Any) -> ClusterPubSub:
        pubsub = super().pubsub(*args, **options)
        self._subscriptions.append(pubsub)
        return pubsub

    def keyspace_notifications(self, *args: Any, **options: Any) -> Any:
        notifications = super().keyspace_notifications(*args, **options)
        self._subscriptions.append(notifications)
        return notifications

    def hold(self, transaction: _Transaction) -> None:
        """Know of a transaction that has a socket, for as long as it has."""
        self._refuse_if_ended()
        held = [other for other in self._transactions if other._transaction_connection]
        self._transactions[:] = [*held, transaction]

    async def end(self) -> None:
        """Close what it still holds: the context has ended. Does not wait."""
        self.__dict__["_ended"] = True
        for transaction in self._transactions:
            connection, transaction._transaction_connection = (
                transaction._transaction_connection,
                None,
            )
            if connection is not None:
                await _drop(transaction._transaction_node, connection)
        for subscription in self._subscriptions:
            for pubsub in _pubsubs_of(subscription):
                connection, pubsub.connection = pubsub.connection, None
                if connection is not None:
                    await _drop(pubsub.connection_pool._node, connection)

    def _refuse_if_ended(self) -> None:
        if self._ended:
            raise exceptions.RedisError(_ENDED)


class _Transaction(TransactionStrategy):
    """The driver's, whose client knows what it holds."""

    def _get_client_and_connection_for_transaction(self) -> tuple[ClusterNode, Any]:
        self._pipe.cluster_client.hold(self)  # type: ignore[attr-defined]
        return super()._get_client_and_connection_for_transaction()


def _pubsubs_of(subscription: Any) -> list[Any]:
    """What of the driver has a socket for these subscriptions: one thing for each node."""
    if isinstance(subscription, ClusterPubSub):
        return [subscription, *subscription.node_pubsub_mapping.values()]
    return [*subscription._node_pubsubs.values()]


async def _drop(node: ClusterNode, connection: Session) -> None:
    with suppress(ValueError):
        node._connections.remove(cast(Any, connection))
    await connection.end()
