"""A real server behind something that speaks TLS, over a SQLite ledger; who tests has an admin's secret."""

import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.contracts.real_server import served, token_file
from tests.contracts.standing_in import StandIn

SLOW = ANOTHER_DOOR = True


@contextmanager
def healthy(directory: Path) -> Iterator[StandIn]:
    """Yield its address, with the certificate that is trusted."""
    with served(more='[access]\nadmins = ["boss"]', tokens=["user:boss"]) as server:
        certificate = signed(server.directory)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            threading.Thread(target=unwrap, args=(listener, certificate, server.port), daemon=True).start()
            own = {"token": {"file": str(token_file(server.directory, "user:boss"))}}
            table = {"credential": "token", "ca_file": str(certificate)}
            url = f"https://127.0.0.1:{listener.getsockname()[1]}"
            yield StandIn(url=url, table=table, credentials=own)


def signed(directory: Path) -> Path:
    """Make a key and a certificate, in one file."""
    both = directory / "both.pem"
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    done = subprocess.run(
        [*command, "-days", "1", *subject, "-keyout", "-", "-out", "-"], check=True, capture_output=True
    )
    both.write_bytes(done.stdout)
    return both


def unwrap(listener: socket.socket, certificate: Path, port: int) -> None:
    """Hand on what comes through TLS, until nobody listens any more."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with suppress(OSError):
        while True:
            client, _ = listener.accept()
            threading.Thread(target=hand_on, args=(context, client, port), daemon=True).start()


def hand_on(context: ssl.SSLContext, client: socket.socket, port: int) -> None:
    """Copy one connection both ways."""
    inner = socket.create_connection(("127.0.0.1", port))
    with suppress(OSError), inner, context.wrap_socket(client, server_side=True) as outer:
        back = threading.Thread(target=copy, args=(inner, outer), daemon=True)
        back.start()
        copy(outer, inner)
        back.join(5)


def copy(source: socket.socket, target: socket.socket) -> None:
    """Copy until an end."""
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
