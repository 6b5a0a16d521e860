"""The applications have tests of their own, which are run for themselves."""

from __future__ import annotations

collect_ignore = ["applications"]
