"""What is the same for each of the local servers."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from service.embedded.errors import DirectoryInUse, PortInUse
from service.embedded.ports import bound_socket
from service.embedded.servers import START, Start

from .running import running

pytestmark = pytest.mark.parametrize("start", START.values(), ids=START)


async def test_listens_on_loopback_only(start: Start, data: Path) -> None:
    async with running(start, data) as server:
        listening = {
            connection.laddr.ip
            for connection in psutil.Process(server.pid).net_connections()
            if connection.status == psutil.CONN_LISTEN
        }
        assert listening == {"127.0.0.1"}


async def test_a_second_start_on_the_same_directory_is_one_clear_line(
    start: Start, data: Path
) -> None:
    async with running(start, data) as server:
        with pytest.raises(DirectoryInUse, match=f"^{data} is in use: .* already$"):
            await start(data, None)
        assert server.running


async def test_a_port_in_use_is_one_clear_line(start: Start, data: Path) -> None:
    with bound_socket("127.0.0.1", 0) as taken:
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PortInUse, match=f"^cannot listen on 127.0.0.1 port {port}: .*in use$"):
            await start(data, port)
