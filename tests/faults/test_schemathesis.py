"""schemathesis over the running service: no 5xx, and every answer as the description says."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from service.api import schema
from tests.api.apps import PASSWORD, close, make_app
from tests.api.conftest import new_name
from tests.command import running_program

from .shipped import shipped

CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
WITH_TOKEN = '\n[auth.openapi.bearer]\nbearer = "${TOKEN}"\n'
OPERATIONS = 14


def configured(place: Path, token: str) -> tuple[Path, Path]:
    """A configuration of schemathesis, which uses a token if there is one; and where to report."""
    place.mkdir()
    configuration = place / "schemathesis.toml"
    configuration.write_text(CONFIGURATION.read_text() + (WITH_TOKEN if token else ""))
    return configuration, place / "report.json"


async def fuzz(url: str, examples: int, place: Path, token: str = "") -> Any:
    """The JSON report of a run with all checks: with a token for what wants one, if given."""
    configuration, report = configured(place, token)
    program = (sys.executable, "-m", "schemathesis.cli", "--config-file", str(configuration))
    run = ("run", f"{url}/openapi.json", f"--max-examples={examples}", "--no-color")
    reports = (f"--report-json-path={report}",)
    async with running_program(*program, *run, *reports, TOKEN=token) as command:
        output, errors = await command.process.communicate()
    assert command.process.returncode == 0, (output + errors).decode()
    return json.loads(report.read_text())


async def test_every_answer_is_as_described(
    urls: Mapping[str, str], full: bool, tmp_path: Path
) -> None:
    app = make_app(urls)
    async with app.app_context():
        await schema.create()
    await close(app)
    limits = {"SERVICE_TOKEN_ATTEMPTS_ADDRESS": "1000000000"}
    log = tmp_path / "log"
    async with shipped(urls, log, **limits) as service:
        credentials = {"name": new_name(), "password": PASSWORD}
        async with httpx.AsyncClient(base_url=service.url) as client:
            await client.post("/api/players", json=credentials)
            token = (await client.post("/api/tokens", json=credentials)).json()["token"]
        known = await fuzz(service.url, 450 if full else 12, tmp_path / "known", token)
        unknown = await fuzz(service.url, 100 if full else 5, tmp_path / "unknown")

    for report in (known, unknown):
        assert report["complete"]
        assert report["operations"]["tested"] == OPERATIONS
        assert report["test_cases"]["with_failures"] == report["test_cases"]["errored"] == 0
    assert known["test_cases"]["generated"] >= (5000 if full else 240)
    accepted = {
        operation: sum(phase["accepted"] for phase in phases.values())
        for operation, phases in known["valid_rates"].items()
    }
    assert min(accepted.values()) > 0, accepted
    assert "Traceback" not in service.said()
    assert '" 500' not in service.said()
