"""Where files live: a folder, or a prefix in S3. The same few verbs for both; a file appears whole or not at all."""

import contextlib
import errno
import os
import stat
import tempfile
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from marketing_assets.errors import PermanentError, TransientError

_PERMANENT_DISK_FAULTS = {
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.EEXIST,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.ENAMETOOLONG,
}
_TRANSIENT_S3_CODES = {"SlowDown", "RequestTimeout", "InternalError", "ServiceUnavailable", "RequestTimeTooSkewed"}


@dataclass(frozen=True)
class Entry:
    """A file as a listing shows it: a file of the same key, size and stamp has not been written since.

    Attributes:
        key: The file's key.
        size: Its size in bytes.
        stamp: What changes with its content: the time of its last change to the nanosecond; in S3, the ETag.
        modified: When it was last changed, in UTC.
    """

    key: str
    size: int
    stamp: str
    modified: datetime


class Place(ABC):
    """A tree of files. Keys are relative, with `/` between their parts."""

    @abstractmethod
    def uri(self, key: str = "") -> str:
        """Return the address of a file (or of the place itself), as a person or a reader library takes it."""

    @abstractmethod
    def exists(self, key: str) -> bool:
        """Tell whether the file is there."""

    @abstractmethod
    def read(self, key: str) -> bytes:
        """Return the file's bytes; raises `FileNotFoundError` without the file."""

    @abstractmethod
    def write(self, key: str, data: bytes) -> None:
        """Write the file whole, replacing an earlier one; readers see the old bytes or the new ones, never a part."""

    @abstractmethod
    def keys(self, prefix: str = "") -> list[str]:
        """List the keys of the files below a prefix that ends on a folder, sorted."""

    @abstractmethod
    def entries(self) -> list[Entry]:
        """List the files that lie right below the place, not those in its folders, sorted by key."""

    @abstractmethod
    def local_copy(self, key: str) -> Any:
        """Context manager that gives a local path with the file's bytes; raises `FileNotFoundError` without it."""


class FolderPlace(Place):
    """Files below a local folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def uri(self, key: str = "") -> str:
        """Return the absolute path."""
        return str(self.root / key)

    def exists(self, key: str) -> bool:
        """Tell whether the file is there."""
        return (self.root / key).is_file()

    def read(self, key: str) -> bytes:
        """Return the file's bytes; raises `FileNotFoundError` without the file."""
        return (self.root / key).read_bytes()

    def write(self, key: str, data: bytes) -> None:
        """Write beside the file, then move into its place: a move within a folder is atomic."""
        path = self.root / key
        part = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                with part.open("wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                part.replace(path)
            finally:
                part.unlink(missing_ok=True)
        except OSError as error:
            if error.errno in _PERMANENT_DISK_FAULTS:
                raise PermanentError(
                    f"Expected to write {path}, but: {error.strerror}. Check the folder and its owner."
                ) from error
            raise TransientError(
                f"Could not write {path}: {error.strerror}. Check the disk, then run again."
            ) from error

    def keys(self, prefix: str = "") -> list[str]:
        """List the keys of the files below a prefix, sorted; parts of unfinished writes are not files yet."""
        paths = (self.root / prefix).rglob("*")
        return sorted(
            path.relative_to(self.root).as_posix()
            for path in paths
            if path.is_file() and not (path.name.startswith(".") and path.name.endswith(".part"))
        )

    def entries(self) -> list[Entry]:
        """List the files right below the folder, sorted; a folder that is not there is empty."""
        if not self.root.is_dir():
            return []
        entries = []
        for path in sorted(self.root.iterdir()):
            # Programs that write files keep short-lived ones beside them.
            with contextlib.suppress(FileNotFoundError):
                state = path.stat()
                if stat.S_ISREG(state.st_mode):
                    modified = datetime.fromtimestamp(state.st_mtime, UTC)
                    entries.append(Entry(path.name, state.st_size, str(state.st_mtime_ns), modified))
        return entries

    @contextmanager
    def local_copy(self, key: str) -> Iterator[Path]:
        """Give the file's own path."""
        path = self.root / key
        if not path.is_file():
            raise FileNotFoundError(path)
        yield path


class S3Place(Place):
    """Objects below a prefix of an S3 bucket; endpoint, region and credentials come from the `AWS_*` variables."""

    def __init__(self, bucket: str, prefix: str) -> None:
        self.bucket = bucket
        self.prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._client: Any = None

    @property
    def client(self) -> Any:
        """The S3 client, made at first use."""
        if self._client is None:
            import boto3
            from botocore.config import Config

            # Newer default checksums are refused by some S3-compatible stores.
            config = Config(
                connect_timeout=10,
                read_timeout=60,
                retries={"mode": "standard", "max_attempts": 4},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            )
            with self._translated("open"):
                self._client = boto3.Session().client("s3", config=config)
        return self._client

    def uri(self, key: str = "") -> str:
        """Return the `s3://` address."""
        return f"s3://{self.bucket}/{self.prefix}{key}"

    def exists(self, key: str) -> bool:
        """Tell whether the object is there."""
        # Asked for the object's head, S3 answers a missing bucket like a missing object.
        with self._translated("look for", key):
            found = self.client.list_objects_v2(Bucket=self.bucket, Prefix=self.prefix + key, MaxKeys=1)
        return any(entry["Key"] == self.prefix + key for entry in found.get("Contents", ()))

    def read(self, key: str) -> bytes:
        """Return the object's bytes; raises `FileNotFoundError` without it."""
        with self._translated("read", key):
            body: bytes = self.client.get_object(Bucket=self.bucket, Key=self.prefix + key)["Body"].read()
        return body

    def write(self, key: str, data: bytes) -> None:
        """Write the object; S3 shows it when the whole of it has arrived."""
        with self._translated("write", key):
            self.client.put_object(Bucket=self.bucket, Key=self.prefix + key, Body=data)

    def keys(self, prefix: str = "") -> list[str]:
        """List the keys below a prefix, sorted."""
        with self._translated("list", prefix):
            pages = self.client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=self.prefix + prefix
            )
            return sorted(
                entry["Key"].removeprefix(self.prefix) for page in pages for entry in page.get("Contents", ())
            )

    def entries(self) -> list[Entry]:
        """List the objects right below the prefix, sorted."""
        with self._translated("list"):
            pages = self.client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=self.prefix, Delimiter="/"
            )
            return [
                Entry(
                    key=found["Key"].removeprefix(self.prefix),
                    size=found["Size"],
                    stamp=found["ETag"].strip('"'),
                    modified=found["LastModified"],
                )
                for page in pages
                for found in page.get("Contents", ())
                if found["Key"] != self.prefix
            ]

    @contextmanager
    def local_copy(self, key: str) -> Iterator[Path]:
        """Download the object into a temporary folder for as long as it is needed."""
        if not self.exists(key):
            raise FileNotFoundError(self.uri(key))
        with tempfile.TemporaryDirectory(prefix="marketing-") as folder:
            path = Path(folder) / Path(key).name
            with self._translated("read", key):
                self.client.download_file(self.bucket, self.prefix + key, str(path))
            yield path

    @contextmanager
    def _translated(self, verb: str, key: str = "") -> Iterator[None]:
        """Turn S3's faults into this platform's: absent, permanent or transient."""
        from botocore import exceptions as boto

        target = self.uri(key)
        try:
            yield
        except boto.ClientError as error:
            code = error.response["Error"].get("Code", "")
            status = error.response["ResponseMetadata"].get("HTTPStatusCode", 0)
            if code in {"NoSuchKey", "404", "NotFound"}:
                raise FileNotFoundError(target) from error
            if status >= 500 or status == 429 or code in _TRANSIENT_S3_CODES:
                raise TransientError(f"S3 could not {verb} {target} now: {code} (HTTP {status}).") from error
            raise PermanentError(
                f"S3 refused to {verb} {target}: {code} (HTTP {status}). "
                "Check the bucket's name, AWS_ENDPOINT_URL, and the key's permissions."
            ) from error
        except boto.NoCredentialsError as error:
            raise PermanentError(f"No AWS credentials to {verb} {target}: set the AWS_* variables.") from error
        except (
            boto.HTTPClientError,
            boto.ConnectionError,
            boto.IncompleteReadError,
            boto.CredentialRetrievalError,
            boto.MetadataRetrievalError,
        ) as error:
            raise TransientError(f"S3 did not answer when asked to {verb} {target}: {type(error).__name__}.") from error
        except (boto.BotoCoreError, ValueError) as error:
            raise PermanentError(
                f"S3 cannot be asked to {verb} {target}: {error} Check the address and the AWS_* variables."
            ) from error


def open_place(uri: str) -> Place:
    """Open a folder (`/data/lake`, `file:///data/lake`) or an S3 prefix (`s3://bucket/prefix`)."""
    parts = urlsplit(uri)
    if "@" in parts.netloc:
        raise PermanentError("Expected an address without credentials in the *_URI settings: they belong in AWS_*.")
    if parts.scheme == "s3":
        return S3Place(parts.netloc, parts.path)
    if parts.scheme in {"", "file"}:
        return FolderPlace(Path(parts.path).expanduser().absolute())
    raise PermanentError(f"Expected a folder or an s3:// address, found {parts.scheme}://. Check the *_URI settings.")
