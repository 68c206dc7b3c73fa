from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

import boto3
import pytest
import requests
from moto.server import ThreadedMotoServer

_NUMBERS = count(1)


@dataclass(frozen=True)
class ObjectStore:
    """A server that speaks S3 over HTTP."""

    url: str

    def new_bucket(self) -> str:
        name = f"bucket-{next(_NUMBERS)}"
        boto3.client("s3").create_bucket(Bucket=name)
        return name

    def check_keys(self, after_requests: str) -> None:
        """Refuse unknown access keys from some request on (`inf`: never)."""
        requests.post(f"{self.url}/moto-api/reset-auth", data=after_requests, timeout=10).raise_for_status()


@pytest.fixture(scope="session")
def object_store_server() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(object_store_server: str, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    """The object store, with the environment that leads to it."""
    settings = {
        "AWS_ENDPOINT_URL": object_store_server,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "made-up-secret",
        "AWS_REGION": "ap-northeast-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    return ObjectStore(object_store_server)


@pytest.fixture(params=["folder", "s3"])
def root(request: pytest.FixtureRequest, tmp_path) -> str:
    """Where a lake may lie: a folder, or a prefix of a bucket."""
    if request.param == "folder":
        return str(tmp_path / "lake")
    return f"s3://{request.getfixturevalue('s3').new_bucket()}/some/prefix"
