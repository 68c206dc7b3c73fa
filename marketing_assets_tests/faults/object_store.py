"""A server that speaks S3, with two doors: one that always tells the truth, one whose answers can be spoilt.

with ObjectStore() as store:
    store.script(lambda method, key: refusal(503, "SlowDown") if method == "PUT" else None)
    boto3.client("s3", endpoint_url=store.faulty_url)…
"""

import socket
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Self

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from moto.server import ThreadedMotoServer
from werkzeug.serving import make_server


@dataclass(frozen=True)
class StoreFault:
    """What becomes of a request: it waits, is refused, or its connection is cut before or after it has had its effect.

    Attributes:
        seconds: How long it waits before anything else.
        status: HTTP status of the refusal.
        code: S3's word for the reason.
        cut: `before` or `after` the effect.
    """

    seconds: float = 0
    status: int | None = None
    code: str = ""
    cut: str | None = None


def refusal(status: int, code: str) -> StoreFault:
    return StoreFault(status=status, code=code)


Script = Callable[[str, str], StoreFault | None]
"""Says what a request of a method for a path (`/bucket/key`) gets; None: the truth."""


class ObjectStore:
    """The two doors, on free loopback ports; what is written through one is read through the other."""

    def __init__(self) -> None:
        self._truth = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._application = DomainDispatcherApplication(create_backend_app)
        self._faulty = make_server("127.0.0.1", 0, self._serve, threaded=True, request_handler=MotoRequestHandler)
        self._thread = threading.Thread(target=self._faulty.serve_forever, daemon=True)
        self._script: Script = _truthful
        self._lock = threading.Lock()
        self.calls = 0
        self.injected = 0

    def __enter__(self) -> Self:
        self._truth.start()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._faulty.shutdown()
        self._thread.join()
        self._faulty.server_close()
        self._truth.stop()

    @property
    def url(self) -> str:
        """Where the truth is told."""
        host, port = self._truth.get_host_and_port()
        return f"http://{host}:{port}"

    @property
    def faulty_url(self) -> str:
        """Where the script holds."""
        return f"http://127.0.0.1:{self._faulty.server_port}"

    def script(self, script: Script) -> None:
        """Say what requests get from now on, and count anew."""
        with self._lock:
            self._script, self.calls, self.injected = script, 0, 0

    def tell_the_truth(self) -> None:
        """Let every request have its answer; what was counted stays."""
        with self._lock:
            self._script = _truthful

    def _serve(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        fault = self._choose(environ["REQUEST_METHOD"], environ["PATH_INFO"])
        time.sleep(fault.seconds)
        if fault.cut == "before":
            # Half of what was sent has arrived.
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0) // 2)
            _cut(environ)
        if fault.status is not None:
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            body = f"<Error><Code>{fault.code}</Code><Message>{fault.code}</Message></Error>".encode()
            headers = [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))]
            start_response(f"{fault.status} {fault.code}", headers)
            return [body]
        answer: Iterable[bytes] = self._application(environ, start_response)
        if fault.cut == "after":
            _cut(environ)
        return answer

    def _choose(self, method: str, path: str) -> StoreFault:
        with self._lock:
            fault = self._script(method, path)
            self.calls += 1
            self.injected += fault is not None
            return fault or StoreFault()


def _truthful(_method: str, _path: str) -> None:
    return None


def _cut(environ: dict[str, Any]) -> None:
    environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
    raise ConnectionAbortedError
