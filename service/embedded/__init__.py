"""Local servers, for trying the service out and for tests.

``postgresql.start``, ``redis.start`` and ``servers.start_rethinkdb`` each start one server in a
data directory and return it as a `process.Server`; ``servers.start_all`` starts them side by side.
"""
