"""UPnP-IGD: finds a gateway by SSDP and calls its services over HTTP."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping

import aiohttp

from transfer.address import Address
from transfer.errors import DecodeError
from transfer.portmap import ssdp, upnp
from transfer.portmap.config import PortMapConfig
from transfer.portmap.values import Grant, MapRequest, PortMapError, PortMapFailure


class UpnpGateway:
    """Asks the first gateway of the local network that can make mappings, from one address of this host."""

    def __init__(self, gateway: str | None, client: str, config: PortMapConfig) -> None:
        self._gateway = gateway
        self._client = client
        self._config = config
        self._http: aiohttp.ClientSession | None = None
        self._service: upnp.WanService | None = None

    async def map(self, request: MapRequest) -> Grant:
        """As `Gateway` has it."""
        await self._refuse_to_take_over(request)
        lasting = False
        arguments = upnp.mapping_arguments(request, client=self._client, description=self._config.description)
        try:
            await self._call("AddPortMapping", arguments)
        except PortMapError as error:
            if error.code != upnp.ONLY_PERMANENT:
                raise
            lasting = True
            await self._call("AddPortMapping", {**arguments, "NewLeaseDuration": "0"})
        return Grant(
            protocol=request.protocol,
            internal_port=request.internal_port,
            external_port=request.external_port,
            lifetime_s=None if lasting else request.lifetime_s,
        )

    async def unmap(self, grant: Grant) -> None:
        """As `Gateway` has it."""
        request = MapRequest(
            protocol=grant.protocol,
            internal_port=grant.internal_port,
            external_port=grant.external_port,
            lifetime_s=0,
        )
        await self._call("DeletePortMapping", upnp.entry_arguments(request))

    async def outer_host(self) -> str | None:
        """As `Gateway` has it."""
        return upnp.read_outer_host(await self._call("GetExternalIPAddress", {}))

    async def aclose(self) -> None:
        """Closes what is kept of connections."""
        http, self._http = self._http, None
        if http is not None:
            await http.close()

    async def _refuse_to_take_over(self, request: MapRequest) -> None:
        """Some gateways give the mapping of another host away without a word; that host shall keep it.

        Raises:
            PortMapError: it has one.
        """
        try:
            entry = upnp.read_entry(await self._call("GetSpecificPortMappingEntry", upnp.entry_arguments(request)))
        except PortMapError as error:
            if error.code is None and error.failure is not PortMapFailure.GARBAGE:
                raise  # it cannot be reached at all
            return  # most likely there is none; the call that matters comes next
        except DecodeError:
            return
        if entry.client != self._client or entry.internal_port != request.internal_port:
            raise PortMapError(f"{entry.client} has the port outside", failure=PortMapFailure.CONFLICT)

    async def _call(self, action: str, arguments: Mapping[str, str]) -> dict[str, str]:
        if self._service is None:
            self._service = await self._find()
        return await self._call_at(self._service, action, arguments)

    async def _call_at(self, service: upnp.WanService, action: str, arguments: Mapping[str, str]) -> dict[str, str]:
        body = upnp.encode_call(service.kind, action, arguments)
        status, answer = await self._request("POST", service.url, body, upnp.soap_headers(service.kind, action))
        try:
            return upnp.parse_answer(answer, status=status, action=action)
        except DecodeError as error:
            raise PortMapError(str(error), failure=PortMapFailure.GARBAGE) from None

    async def _find(self) -> upnp.WanService:
        """A service that is connected, or else the first there is."""
        error = PortMapError("nobody answered the search for a gateway", failure=PortMapFailure.SILENT)
        async with _Search(self._gateway, self._client, self._config) as search:
            for _ in range(self._config.max_search_answers):
                found = await search.next_answer()
                if found is None:
                    break
                host, url = found
                try:
                    services = await self._services_at(url, host)
                except PortMapError as failure:
                    error = failure
                    continue
                return await self._connected_of(services)
        raise error

    async def _services_at(self, url: str, host: str) -> tuple[upnp.WanService, ...]:
        status, body = await self._request("GET", url, None, {})
        if status != 200:
            raise PortMapError(f"its description is HTTP {status}", failure=PortMapFailure.GARBAGE)
        try:
            return upnp.parse_description(body, url=url, host=host)
        except DecodeError as error:
            raise PortMapError(str(error), failure=PortMapFailure.GARBAGE) from None

    async def _connected_of(self, services: tuple[upnp.WanService, ...]) -> upnp.WanService:
        if len(services) > 1:
            for service in services:
                try:
                    answer = await self._call_at(service, "GetStatusInfo", {})
                except PortMapError:
                    continue
                if answer.get("NewConnectionStatus") == "Connected":
                    return service
        return services[0]

    async def _request(self, method: str, url: str, body: bytes | None, headers: dict[str, str]) -> tuple[int, bytes]:
        if self._http is None:
            self._http = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(force_close=True, local_addr=(self._client, 0)),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=self._config.http_timeout_s),
                auto_decompress=False,
            )
        try:
            async with self._http.request(method, url, data=body, headers=headers, allow_redirects=False) as response:
                data = bytearray()
                async for chunk in response.content.iter_any():
                    data += chunk
                    if len(data) > self._config.max_body_bytes:
                        raise PortMapError("its answer has no end", failure=PortMapFailure.GARBAGE)
                return response.status, bytes(data)
        except TimeoutError:
            raise PortMapError("it did not answer over HTTP", failure=PortMapFailure.SILENT) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            reason = " ".join(str(error).split())[:150] or type(error).__name__
            raise PortMapError(f"it cannot be asked over HTTP: {reason}", failure=PortMapFailure.GARBAGE) from None


class _Search(asyncio.DatagramProtocol):
    """One search by SSDP: the gateway itself is asked, and the whole local network."""

    def __init__(self, gateway: str | None, client: str, config: PortMapConfig) -> None:
        self._gateway = gateway
        self._client = client
        self._config = config
        self._loop = asyncio.get_running_loop()
        self._answers: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        self._seen: dict[tuple[str, str], None] = {}
        self._transport: asyncio.DatagramTransport | None = None
        self._again: asyncio.TimerHandle | None = None
        self._ends_at = self._loop.time() + config.search_timeout_s

    async def __aenter__(self) -> _Search:
        made: socket.socket | None = None
        try:
            made = _search_socket(self._client)
            self._transport, _ = await self._loop.create_datagram_endpoint(lambda: self, sock=made)
        except OSError as error:
            if made is not None:
                made.close()
            text = f"no search can be sent: {error.strerror or error}"
            raise PortMapError(text, failure=PortMapFailure.NO_GATEWAY) from None
        self._send()
        self._again = self._loop.call_later(self._config.search_timeout_s / 2, self._send)
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._again is not None:
            self._again.cancel()
        if self._transport is not None:
            self._transport.close()

    async def next_answer(self) -> tuple[str, str] | None:
        """The host and the URL of a gateway; None when the time is over."""
        try:
            async with asyncio.timeout_at(self._ends_at):
                return await self._answers.get()
        except TimeoutError:
            return None

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        host = Address.from_socket(addr).host
        try:
            found = host, ssdp.decode_answer(data, source=host)
        except ssdp.SsdpError:
            return
        if found not in self._seen and len(self._seen) < MAX_ANSWERS:
            self._seen[found] = None
            self._answers.put_nowait(found)

    def error_received(self, exc: Exception) -> None:
        """Nobody is at one of the addresses: others may answer."""

    def _send(self) -> None:
        assert self._transport is not None
        group = self._config.search_address or ssdp.GROUP
        places = [group]
        if self._gateway is not None and self._config.search_address is None:
            places.append(Address(self._gateway, group.port))
        for place in places:
            for target in ssdp.TARGETS:
                self._transport.sendto(ssdp.encode_search(target, group), place)


def _search_socket(client: str) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        made.setblocking(False)
        made.bind((client, 0))
        made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(client))
        made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 2)
    except BaseException:
        made.close()
        raise
    return made


MAX_ANSWERS = 32  # of which `max_search_answers` are looked into
