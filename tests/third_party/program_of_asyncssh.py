"""asyncssh: a command on another host, with a host key that the run has made."""

from __future__ import annotations

from typing import Any

import asyncssh

from transfer.simulation import Link, Simulation, scenario


@scenario(link=Link(delay_s=0.02, jitter_s=0.005))
async def run_program(simulation: Simulation) -> str:
    class Server(asyncssh.SSHServer):
        def begin_auth(self, username: str) -> bool:
            return False

    def work(process: Any) -> None:
        process.stdout.write(f"{process.command} was done\n")
        process.exit(0)

    options: dict[str, Any] = {"kex_algs": ["curve25519-sha256"]}
    key = asyncssh.generate_private_key("ssh-ed25519")
    with simulation.host("10.0.0.1"):
        server = await asyncssh.listen(
            "0.0.0.0", 22, server_factory=Server, server_host_keys=[key], process_factory=work, **options
        )
    with simulation.host("10.0.0.2"):
        async with asyncssh.connect(
            "10.0.0.1", username="user", known_hosts=None, client_keys=None, config=None, **options
        ) as connection:
            result = await connection.run("the work", check=True)
    server.close()
    await server.wait_closed()
    return str(result.stdout).strip()
