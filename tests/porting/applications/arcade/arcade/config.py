import os
from urllib.parse import urlsplit

REDIS_URL = os.environ["REDIS_URL"]
_rethinkdb = urlsplit(os.environ["RETHINKDB_URL"])
RDB_HOST = _rethinkdb.hostname
RDB_PORT = _rethinkdb.port
RDB_USER = _rethinkdb.username or "admin"
RDB_PASSWORD = _rethinkdb.password or ""
RDB_DB = _rethinkdb.path.strip("/") or "test"
