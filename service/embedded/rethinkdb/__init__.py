"""An in-memory stand-in for RethinkDB that the unchanged official driver connects to.

It listens on loopback, speaks the real wire protocol, and answers the ReQL that a JSON service
uses; a term or an option it does not know is an error that names it. It is one process without a
cluster, replication, permissions, JavaScript, HTTP or geometry.

What is shown: to 126 queries its answers are those recorded from RethinkDB 2.4.4. What is not: the
answers to all others, which follow the documentation, and times, limits and behaviour under load.
Regular expressions are Python's; what RE2, the server's, has no word for is refused.

    async with StandIn() as server:
        server.url      # rethinkdb://127.0.0.1:<port>

`python -m service.embedded.rethinkdb` runs it alone.
"""

from .journal import DataDirectoryError
from .server import StandIn

__all__ = ["DataDirectoryError", "StandIn"]
