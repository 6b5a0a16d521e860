"""`ours` with more connections than its routes use, and a route for each database alone."""

from __future__ import annotations

import os

from .ours import CONNECTIONS, create_app, leader, match
from .questions import POSTGRESQL_URL

CONFIGURED = int(os.environ.get("BENCHMARK_CONNECTIONS", "3"))

unused = {f"unused_{number}": POSTGRESQL_URL for number in range(CONFIGURED - len(CONNECTIONS))}
app = create_app(CONNECTIONS | unused)
app.get("/match")(match)
app.get("/leader")(leader)
