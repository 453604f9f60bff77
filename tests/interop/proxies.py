"""Proxies that this project did not write: Dante for SOCKS5 with datagrams, tinyproxy for HTTP."""

from __future__ import annotations

from collections.abc import Sequence

from tests.interop.programs import Program


class Dante(Program):
    """A SOCKS5 server that carries streams and datagrams to anywhere, without a password, at `address`."""

    name = "danted"
    package = "dante-server"

    def arguments(self) -> Sequence[str]:
        config = self.directory / "danted.conf"
        config.write_text(DANTE.format(host=self.address.host, port=self.address.port))
        return ("-f", str(config), "-p", str(self.directory / "pid"))

    @property
    def url(self) -> str:
        return f"socks5://{self.address}"


class Tinyproxy(Program):
    """An HTTP proxy that lets everybody CONNECT to every port, given the user name and the password, at `address`."""

    name = "tinyproxy"
    package = "tinyproxy"

    def arguments(self) -> Sequence[str]:
        config = self.directory / "tinyproxy.conf"
        config.write_text(TINYPROXY.format(host=self.address.host, port=self.address.port))
        return ("-d", "-c", str(config))

    @property
    def url(self) -> str:
        return f"http://ann@{self.address}"


PASSWORD = "sesame"
DANTE = """\
logoutput: stderr
internal: {host} port = {port}
external: {host}
clientmethod: none
socksmethod: none
client pass {{ from: 0.0.0.0/0 to: 0.0.0.0/0 }}
socks pass {{ from: 0.0.0.0/0 to: 0.0.0.0/0 protocol: tcp udp }}
"""
TINYPROXY = f"""\
Listen {{host}}
Port {{port}}
Timeout 60
LogLevel Info
MaxClients 50
BasicAuth ann {PASSWORD}
"""
