"""TLS in front of a server that has none: a real handshake, then everything is passed on as it is.

with TlsProxy(context, ("127.0.0.1", 8000)) as proxy:
    requests.get(f"https://localhost:{proxy.port}/…")
"""

import socket
import ssl
import threading
from contextlib import suppress
from typing import Self

_SSL_REQUEST_BYTES = 8
"""Before TLS a PostgreSQL client asks for it in so many bytes, and waits for an `S`."""


class TlsProxy:
    """A server on a free loopback port.

    Args:
        context: Its certificate.
        upstream: Address and port of the server behind it, or the path of its Unix socket.
        postgres: Whether clients ask for TLS as those of PostgreSQL do.
    """

    def __init__(self, context: ssl.SSLContext, upstream: tuple[str, int] | str, postgres: bool = False) -> None:
        self._context = context
        self._upstream = upstream
        self._postgres = postgres
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        # A client that finds the certificate wanting hangs up.
        with client, suppress(OSError):
            if self._postgres:
                client.recv(_SSL_REQUEST_BYTES, socket.MSG_WAITALL)
                client.sendall(b"S")
            with self._context.wrap_socket(client, server_side=True) as inside, self._connect() as outside:
                back = threading.Thread(target=_pass_on, args=(outside, inside), daemon=True)
                back.start()
                _pass_on(inside, outside)
                back.join()

    def _connect(self) -> socket.socket:
        if isinstance(self._upstream, tuple):
            return socket.create_connection(self._upstream)
        server = socket.socket(socket.AF_UNIX)
        server.connect(self._upstream)
        return server


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)
