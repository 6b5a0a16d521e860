"""The README's example of `service port`: what it prints is what the tool prints."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from quart import Quart

from service.porting.porting import port
from tests.command import ROOT, running

SECTION = (ROOT / "README.md").read_text().partition("## Porting from Flask\n")[2]


def block(language: str) -> str:
    """The section's first code block in a language."""
    found = re.search(rf"^```{language}\n(.*?)^```$", SECTION, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


async def test_the_tool_prints_what_the_readme_shows(tmp_path: Path) -> None:
    source = block("python")
    assert source.count("\n") == 10
    (tmp_path / "app.py").write_text(source)
    async with running("port", str(tmp_path / "app.py")) as command:
        assert (await command.ended())[0] == 1
    prompt, *shown = block("console").splitlines()
    assert prompt == "$ service port app.py"
    assert command.lines == shown


async def test_the_ported_example_answers(tmp_path: Path, redis_url: str) -> None:
    url = "redis://localhost:6379/0"
    path = tmp_path / "app.py"
    path.write_text(block("python").replace(url, redis_url))
    port(path).write()
    names: dict[str, Any] = {"__name__": "app"}
    exec(path.read_text(), names)
    app: Quart = names["app"]
    async with app.test_app() as served:
        client = served.test_client()
        for count in (1, 2):
            response = await client.post("/visits", json={"page": "home"})
            assert await response.get_json() == {"visits": count}
        assert (await client.post("/visits", data="home")).status_code == 415
