"""A way to PostgreSQL that breaks: connections are refused, or cut while bytes are on their way.

with FaultyWire(url, break_after=lambda: 100 if chance() else None) as wire:
    psycopg2.connect(wire.url)
"""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Self

from psycopg2.extensions import parse_dsn

_PORT = 5432


class FaultyWire:
    """A server on a free loopback port that passes on what it gets.

    Args:
        url: The database, over a Unix socket.
        break_after: Asked for each connection: after how many bytes from the client it breaks; None: never.
    """

    def __init__(self, url: str, break_after: Callable[[], int | None]) -> None:
        address = parse_dsn(url)
        self._socket_path = f"{address['host']}/.s.PGSQL.{_PORT}"
        self._database = address["dbname"]
        self._break_after = break_after
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    @property
    def url(self) -> str:
        """The same database, at the end of the wire."""
        port = self._listener.getsockname()[1]
        return f"postgresql://postgres@127.0.0.1:{port}/{self._database}?sslmode=disable&gssencmode=disable"

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client, self._break_after()), daemon=True).start()

    def _serve(self, client: socket.socket, left: int | None) -> None:
        with client, socket.socket(socket.AF_UNIX) as server, suppress(OSError):
            server.connect(self._socket_path)
            back = threading.Thread(target=_pass_on, args=(server, client), daemon=True)
            back.start()
            while data := client.recv(4096 if left is None else min(left, 4096)):
                server.sendall(data)
                left = None if left is None else left - len(data)
            for end in (client, server):
                end.shutdown(socket.SHUT_RDWR)
            back.join()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)
