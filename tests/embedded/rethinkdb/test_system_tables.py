"""What the server tells of itself, and of its databases and tables."""

from __future__ import annotations

from typing import Any

from rethinkdb import r

from service.embedded.rethinkdb import StandIn

from .conftest import Connect, rows

system = r.db("rethinkdb")


async def test_statistics_of_the_cluster(connect: Connect, games: Any, connection: Any) -> None:
    await connect()
    found = await system.table("stats").get(["cluster"]).run(connection)
    engine = found["query_engine"]
    assert found["id"] == ["cluster"]
    assert sorted(engine) == [
        "client_connections",
        "clients_active",
        "queries_per_sec",
        "read_docs_per_sec",
        "written_docs_per_sec",
    ]
    assert (engine["client_connections"], engine["clients_active"]) == (2, 1)


async def test_statistics_of_tables_and_servers(
    server: StandIn, games: Any, connection: Any
) -> None:
    table = (await games.config().run(connection))["id"]
    stats = system.table("stats")
    found = await stats.get(["table_server", table, server.system.id]).run(connection)
    assert (found["db"], found["table"], found["server"]) == ("test", "games", server.system.name)
    assert found["query_engine"]["written_docs_total"] == 3
    before = await stats.get(["server", server.system.id])["query_engine"].run(connection)
    after = await stats.get(["server", server.system.id])["query_engine"].run(connection)
    assert after["queries_total"] == before["queries_total"] + 1


async def test_jobs(connect: Connect, games: Any, connection: Any) -> None:
    other = await connect()
    await games.filter(r.row["turn"] > 3).changes().run(other)
    jobs = {job["info"]["query"]: job for job in await rows(system.table("jobs"), connection)}
    own, feed = sorted(jobs)
    assert own == 'r.db("rethinkdb").table("jobs")'
    assert feed.startswith('r.table("games").filter(')
    assert feed.endswith('r.row("turn").gt(3); }).changes()')
    for job in jobs.values():
        assert job["type"] == "query"
        assert job["id"][0] == "query"
        assert job["duration_sec"] >= 0
        assert job["info"]["client_address"] == "127.0.0.1"
        assert job["info"]["user"] == "admin"
    ports = {job["info"]["client_port"] for job in jobs.values()}
    assert ports == {connection.client_port(), other.client_port()}


async def test_the_server(server: StandIn, connection: Any) -> None:
    (status,) = await rows(system.table("server_status"), connection)
    assert status["network"]["reql_port"] == server.port
    (config,) = await rows(system.table("server_config"), connection)
    assert (config["id"], config["name"]) == (server.system.id, server.system.name)
    assert await system.table("current_issues").count().run(connection) == 0


async def test_databases_and_tables(games: Any, connection: Any) -> None:
    assert await r.db_list().run(connection) == ["rethinkdb", "test"]
    assert (await r.db("test").config().run(connection))["name"] == "test"
    configs = await rows(system.table("table_config"), connection)
    assert configs == [await games.config().run(connection)]
    assert configs[0]["indexes"] == ["state"]
    (status,) = await rows(system.table("table_status"), connection)
    assert status["status"]["all_replicas_ready"] is True
    assert await games.wait().run(connection) == {"ready": 1}
    assert await r.db("test").wait(wait_for="ready_for_reads").run(connection) == {"ready": 1}
    assert "jobs" in await system.table_list().run(connection)
    assert (await games.info().run(connection))["doc_count_estimates"] == [3]


async def test_the_state_of_an_index(games: Any, connection: Any) -> None:
    (status,) = await games.index_status("state").run(connection)
    assert sorted(status) == ["function", "geo", "index", "multi", "outdated", "query", "ready"]
    assert (status["index"], status["ready"], status["outdated"]) == ("state", True, False)
