"""aioquic: a stream over QUIC, with a certificate that the run has made, over a link that loses packets."""

from __future__ import annotations

import asyncio
import datetime
import ssl
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from aioquic.asyncio import connect, serve
from aioquic.quic.configuration import QuicConfiguration
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from transfer.simulation import Link, Simulation, scenario


def certificate(folder: Path) -> tuple[Path, Path]:
    """Of `quic.example`, for long: OpenSSL compares with the real date."""
    key = Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "quic.example")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(
        name, name, key.public_key(), x509.random_serial_number(), now, now + datetime.timedelta(days=40_000)
    )
    names = x509.SubjectAlternativeName([x509.DNSName("quic.example")])
    made = builder.add_extension(names, critical=False).sign(key, None)
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(made.public_bytes(Encoding.PEM))
    paths[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return paths


@scenario(link=Link(delay_s=0.02, jitter_s=0.005, loss=0.05))
async def run_program(simulation: Simulation) -> int:
    def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.append(asyncio.create_task(answer(reader, writer)))

    async def answer(reader: asyncio.StreamReader, writer: Any) -> None:
        writer.write(await reader.read())
        writer.write_eof()

    tasks: list[asyncio.Task[None]] = []
    simulation.names["quic.example"] = "10.0.0.1"
    with TemporaryDirectory() as folder:
        certificate_path, key_path = certificate(Path(folder))
        configuration = QuicConfiguration(is_client=False)
        configuration.load_cert_chain(certificate_path, key_path)
        with simulation.host("10.0.0.1"):
            server = await serve("0.0.0.0", 4433, configuration=configuration, stream_handler=talk)
        with simulation.host("10.0.0.2"):
            trusting = QuicConfiguration(is_client=True, cafile=str(certificate_path), verify_mode=ssl.CERT_REQUIRED)
            async with connect("quic.example", 4433, configuration=trusting) as client:
                reader, writer = await client.create_stream()
                writer.write(bytes(100_000))
                writer.write_eof()
                size = len(await reader.read())
        await asyncio.gather(*tasks)
        server.close()
        await asyncio.sleep(5)
    return size
