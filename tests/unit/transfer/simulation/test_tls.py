"""TLS and whole files over simulated streams."""

from __future__ import annotations

import asyncio
import datetime
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from transfer.simulation import Link, Simulation, run

LINK = Link(delay_s=0.02, rate_bytes_per_s=1e6)
KEYS: dict[str, Callable[[], Any]] = {
    "rsa": lambda: rsa.generate_private_key(65537, 2048),
    "ecdsa": lambda: ec.generate_private_key(ec.SECP256R1()),
}


@pytest.fixture(scope="module", params=KEYS)
def contexts(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    """(of the server, of the client) for `files.example`."""
    folder: Path = tmp_path_factory.mktemp("tls")
    key = KEYS[request.param]()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "files.example")])
    begin = datetime.datetime(2020, 1, 1)
    end = datetime.datetime(2100, 1, 1)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), begin, end)
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("files.example")]), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    made = builder.sign(key, hashes.SHA256())
    both = made.public_bytes(Encoding.PEM) + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    folder.joinpath("both.pem").write_bytes(both)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "both.pem")
    return server, ssl.create_default_context(cafile=str(folder / "both.pem"))


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize("congestion", [None, "cubic"])
def test_tls_works_and_one_seed_is_one_run(contexts: tuple[Any, Any], congestion: str | None) -> None:
    async def scenario(simulation: Simulation) -> tuple[int, str | None]:
        simulation.set_congestion(congestion)
        simulation.names["files.example"] = "10.0.0.1"
        with simulation.host("10.0.0.1"):
            server = await asyncio.start_server(_echo, "0.0.0.0", 443, ssl=contexts[0])
        with simulation.host("10.0.0.2"):
            reader, writer = await asyncio.open_connection("files.example", 443, ssl=contexts[1])
            version = writer.get_extra_info("ssl_object").version()
            writer.write(bytes(200_000))
            received = len(await reader.readexactly(200_000))
            writer.close()
            await writer.wait_closed()
            with pytest.raises(ssl.SSLCertVerificationError):
                await asyncio.open_connection("10.0.0.1", 443, ssl=contexts[1])
        server.close()
        await server.wait_closed()
        return received, version

    first, second = run(scenario, link=LINK), run(scenario, link=LINK)
    assert first.result == (200_000, "TLSv1.3")
    assert first == second
    assert first.virtual_s > 0.4


def test_what_is_written_under_tls_is_part_of_the_digest(contexts: tuple[Any, Any]) -> None:
    def writing(text: bytes) -> Any:
        async def scenario(simulation: Simulation) -> None:
            simulation.names["files.example"] = "10.0.0.1"
            with simulation.host("10.0.0.1"):
                server = await asyncio.start_server(_echo, "0.0.0.0", 443, ssl=contexts[0])
            reader, writer = await asyncio.open_connection("files.example", 443, ssl=contexts[1])
            writer.write(text)
            assert await reader.readexactly(len(text)) == text
            writer.close()
            await writer.wait_closed()
            server.close()
            await server.wait_closed()

        return scenario

    assert run(writing(b"yes")).digest == run(writing(b"yes")).digest
    assert run(writing(b"yes")).digest != run(writing(b"noo")).digest


def test_a_connection_is_encrypted_in_mid_stream(contexts: tuple[Any, Any]) -> None:
    async def scenario(simulation: Simulation) -> bytes:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            assert await reader.readline() == b"STARTTLS\n"
            writer.write(b"go\n")
            await writer.start_tls(contexts[0])
            writer.write(b"secret: " + await reader.readline())
            writer.close()
            await writer.wait_closed()

        with simulation.host("10.0.0.1"):
            server = await asyncio.start_server(serve, "0.0.0.0", 25)
        with simulation.host("10.0.0.2"):
            reader, writer = await asyncio.open_connection("10.0.0.1", 25)
            writer.write(b"STARTTLS\n")
            assert await reader.readline() == b"go\n"
            await writer.start_tls(contexts[1], server_hostname="files.example")
            writer.write(b"word\n")
            answer = await reader.readline()
            writer.close()
            await writer.wait_closed()
        server.close()
        await server.wait_closed()
        return answer

    assert run(scenario, link=LINK).result == b"secret: word\n"


@pytest.mark.parametrize(("offset", "count"), [(0, None), (1000, 500_000), (999_999, None)])
def test_a_file_is_sent(tmp_path: Path, offset: int, count: int | None) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(range(250)) * 4000)

    async def scenario(simulation: Simulation) -> tuple[int, bytes]:
        loop = asyncio.get_running_loop()
        sent: list[int] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with path.open("rb") as file:
                sent.append(await loop.sendfile(writer.transport, file, offset, count))
                assert file.tell() == offset + sent[0]
            writer.write(b"end")
            await writer.drain()
            writer.close()

        with simulation.host("10.0.0.1"):
            server = await asyncio.start_server(serve, "0.0.0.0", 80)
        with simulation.host("10.0.0.2"):
            reader, writer = await asyncio.open_connection("10.0.0.1", 80)
            received = await reader.read()
            writer.close()
        server.close()
        await server.wait_closed()
        return sent[0], received

    expected = path.read_bytes()[offset:][:count]
    assert run(scenario, link=LINK).result == (len(expected), expected + b"end")


def test_a_file_that_nobody_takes_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(1_000_000))

    async def scenario(simulation: Simulation) -> str:
        loop = asyncio.get_running_loop()
        failed: asyncio.Future[str] = loop.create_future()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with path.open("rb") as file:
                try:
                    await loop.sendfile(writer.transport, file)
                except ConnectionError as error:
                    failed.set_result(type(error).__name__)
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 80)
        _, writer = await asyncio.open_connection("127.0.0.1", 80)
        await asyncio.sleep(1)
        writer.transport.abort()
        server.close()
        await server.wait_closed()
        return await failed

    assert run(scenario).result.startswith("Connection")
