"""Where files live: a folder, or a prefix in S3. The same few verbs for both; a file appears whole or not at all."""

import contextlib
import errno
import os
import shutil
import stat
import tempfile
import uuid
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from marketing_assets.errors import PermanentError, SettingsError, TransientError

_PERMANENT_DISK_FAULTS = {
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.EEXIST,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.ENAMETOOLONG,
}
_PART_BYTES = 16_000_000
_PARTS_AT_ONCE = 4
"""Objects above the first size are uploaded in parts of it, so many at the same time."""

_ENCRYPTIONS = ("AES256", "aws:kms", "aws:kms:dsse")
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

    def exists(self, key: str) -> bool:
        """Tell whether the file is there."""
        return bool(self.existing([key]))

    @abstractmethod
    def existing(self, keys: Collection[str]) -> set[str]:
        """Return those of the keys whose files are there; keys of one folder cost a request or two, however many."""

    @abstractmethod
    def read(self, key: str) -> bytes:
        """Return the file's bytes; raises `FileNotFoundError` without the file."""

    @abstractmethod
    def write(self, key: str, data: bytes) -> None:
        """Write the file whole, replacing an earlier one; readers see the old bytes or the new ones, never a part."""

    @abstractmethod
    def modified(self, key: str) -> datetime:
        """Return when the file was last written, in UTC; raises `FileNotFoundError` without it."""

    @abstractmethod
    def check_writable(self) -> None:
        """Raise `PermanentError` where files may not be written; changes nothing."""

    @abstractmethod
    def writing(self, key: str) -> AbstractContextManager[BinaryIO]:
        """Context manager like `write`, for a file too large for memory: gives a local file to write to.

        What was written appears when the block ends well; when it raises, all is as before.
        """

    @abstractmethod
    def move(self, source: str, target: str) -> None:
        """Move a file of this place, replacing an earlier one; readers see the old target or the new one."""

    @abstractmethod
    def remove(self, prefix: str) -> None:
        """Remove every file below a folder; one that is not there is removed already."""

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
        return f"{self.root}/{key}" if key else str(self.root)  # joining paths takes longer than looking at the disk

    def existing(self, keys: Collection[str]) -> set[str]:
        """Return those of the keys whose files are there."""
        return {key for key in keys if Path(self.uri(key)).is_file()}

    def read(self, key: str) -> bytes:
        """Return the file's bytes; raises `FileNotFoundError` without the file."""
        return (self.root / key).read_bytes()

    def write(self, key: str, data: bytes) -> None:
        """Write the file whole, replacing an earlier one."""
        with self.writing(key) as file:
            file.write(data)

    @contextmanager
    def writing(self, key: str) -> Iterator[BinaryIO]:
        """Write beside the file, then move into its place: a move within a folder is atomic."""
        path = self.root / key
        part = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
        with _disk_faults(str(path)):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                with part.open("wb") as file:
                    yield file
                    file.flush()
                    os.fsync(file.fileno())
                part.replace(path)
            finally:
                part.unlink(missing_ok=True)

    def move(self, source: str, target: str) -> None:
        """Rename the file once the disk has all of it: a rename is atomic."""
        path = self.root / target
        with _disk_faults(str(path)):
            with (self.root / source).open("rb") as file:
                os.fsync(file.fileno())
            path.parent.mkdir(parents=True, exist_ok=True)
            (self.root / source).replace(path)

    def remove(self, prefix: str) -> None:
        """Remove the folder and all that is in it."""
        shutil.rmtree(self.root / prefix, ignore_errors=True)

    def modified(self, key: str) -> datetime:
        """Return when the file was last written, in UTC; raises `FileNotFoundError` without it."""
        return datetime.fromtimestamp((self.root / key).stat().st_mtime, UTC)

    def check_writable(self) -> None:
        """Raise `PermanentError` where the folder (or the one it will be made in) may not be written."""
        there = next(path for path in (self.root, *self.root.parents) if path.exists())
        if not there.is_dir() or not os.access(there, os.R_OK | os.W_OK | os.X_OK):
            raise PermanentError(f"Expected to write below {there}, may not. Check the folder and its owner.")

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
    """Objects below a prefix of an S3 bucket; endpoint, region and credentials come from the `AWS_*` variables.

    `S3_SERVER_SIDE_ENCRYPTION` (`AES256`, `aws:kms`, `aws:kms:dsse`) and, with KMS, `S3_KMS_KEY_ID` say how S3 is to
    encrypt what is written; without them the bucket's own default holds.
    """

    def __init__(self, bucket: str, prefix: str) -> None:
        self.bucket = bucket
        self._encryption = _encryption()
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
                max_pool_connections=32,  # several objects at once, each in several parts
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

    def existing(self, keys: Collection[str]) -> set[str]:
        """Return those of the keys whose objects are there: lists what lies from the first of them to the last."""
        if not keys:
            return set()
        shared = os.path.commonprefix(list(keys))  # noqa: RUF071 (of texts, as S3 takes it)
        wanted, last, found = set(keys), max(keys), set[str]()
        # Asked for an object's head, S3 answers a missing bucket like a missing object.
        with self._translated("look for", shared):
            pages = self.client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket,
                Prefix=self.prefix + shared,
                StartAfter=self.prefix + min(keys)[:-1],  # any key that comes before the first one will do
                PaginationConfig={"PageSize": 1 if len(wanted) == 1 else 1000},
            )
            for page in pages:
                listed = [entry["Key"].removeprefix(self.prefix) for entry in page.get("Contents", ())]
                found |= wanted.intersection(listed)
                if listed and listed[-1] >= last:
                    break
        return found

    def read(self, key: str) -> bytes:
        """Return the object's bytes; raises `FileNotFoundError` without it."""
        with self._translated("read", key):
            body: bytes = self.client.get_object(Bucket=self.bucket, Key=self.prefix + key)["Body"].read()
        return body

    def write(self, key: str, data: bytes) -> None:
        """Write the object; S3 shows it when the whole of it has arrived."""
        with self._translated("write", key):
            self.client.put_object(Bucket=self.bucket, Key=self.prefix + key, Body=data, **self._encryption)

    @contextmanager
    def writing(self, key: str) -> Iterator[BinaryIO]:
        """Gather the object in a temporary file, then upload it, in parts if it is large; S3 shows it when complete."""
        from boto3.s3.transfer import TransferConfig

        with _disk_faults(f"a temporary file for {self.uri(key)}"), tempfile.TemporaryFile() as file:
            yield file
            file.seek(0)
            with self._translated("write", key):
                self.client.upload_fileobj(
                    file,
                    self.bucket,
                    self.prefix + key,
                    ExtraArgs=self._encryption,
                    Config=TransferConfig(
                        multipart_threshold=_PART_BYTES, multipart_chunksize=_PART_BYTES, max_concurrency=_PARTS_AT_ONCE
                    ),
                )

    def move(self, source: str, target: str) -> None:
        """Copy the object within S3, which shows the copy when it is complete, then delete the first one."""
        with self._translated("move", source):
            origin = {"Bucket": self.bucket, "Key": self.prefix + source}
            self.client.copy(origin, self.bucket, self.prefix + target, ExtraArgs=self._encryption)
            self.client.delete_object(**origin)

    def remove(self, prefix: str) -> None:
        """Delete the objects, a thousand at a time."""
        keys = self.keys(f"{prefix}/")
        with self._translated("remove", prefix):
            for start in range(0, len(keys), 1000):
                listed = [{"Key": self.prefix + key} for key in keys[start : start + 1000]]
                self.client.delete_objects(Bucket=self.bucket, Delete={"Objects": listed, "Quiet": True})

    def modified(self, key: str) -> datetime:
        """Return when the object was last written, in UTC; raises `FileNotFoundError` without it."""
        with self._translated("look at", key):
            found: datetime = self.client.head_object(Bucket=self.bucket, Key=self.prefix + key)["LastModified"]
        return found

    def check_writable(self) -> None:
        """Raise `PermanentError` where objects may not be written: begins an upload of nothing and takes it back."""
        key = ".write-check"
        target = {"Bucket": self.bucket, "Key": self.prefix + key}
        with self._translated("write", key):
            upload = self.client.create_multipart_upload(**target, **self._encryption)["UploadId"]
        with self._translated("take back the upload to", key):
            self.client.abort_multipart_upload(**target, UploadId=upload)

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
        from boto3.exceptions import RetriesExceededError
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
                raise TransientError(
                    f"S3 could not {verb} {target} now: {code} (HTTP {status}). Run again once it can."
                ) from error
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
            RetriesExceededError,  # a download that is cut off again and again: no relative of the others
        ) as error:
            raise TransientError(
                f"S3 did not answer when asked to {verb} {target}: {type(error).__name__}. "
                "Check that AWS_ENDPOINT_URL can be reached, then run again."
            ) from error
        except (boto.BotoCoreError, ValueError) as error:
            raise PermanentError(
                f"S3 cannot be asked to {verb} {target}: {error} Check the address and the AWS_* variables."
            ) from error


@contextmanager
def _disk_faults(target: str) -> Iterator[None]:
    """Tell faults of the disk that lasts from those that pass."""
    try:
        yield
    except OSError as error:
        if error.errno in _PERMANENT_DISK_FAULTS:
            raise PermanentError(
                f"Expected to write {target}, but: {error.strerror}. Check the folder and its owner."
            ) from error
        raise TransientError(f"Could not write {target}: {error.strerror}. Check the disk, then run again.") from error


def _encryption() -> dict[str, str]:
    """Read how S3 is to encrypt objects, as arguments of its writing requests."""
    kind, key = os.environ.get("S3_SERVER_SIDE_ENCRYPTION", ""), os.environ.get("S3_KMS_KEY_ID", "")
    if kind and kind not in _ENCRYPTIONS:
        raise SettingsError(f"Expected S3_SERVER_SIDE_ENCRYPTION to be one of {', '.join(_ENCRYPTIONS)}, found {kind}.")
    if key and not kind.startswith("aws:kms"):
        raise SettingsError("S3_KMS_KEY_ID needs S3_SERVER_SIDE_ENCRYPTION=aws:kms: set both or none.")
    return ({"ServerSideEncryption": kind} if kind else {}) | ({"SSEKMSKeyId": key} if key else {})


def open_place(uri: str) -> Place:
    """Open a folder (`/data/lake`, `file:///data/lake`) or an S3 prefix (`s3://bucket/prefix`)."""
    if "://" not in uri:
        return FolderPlace(Path(uri).expanduser().absolute())
    parts = urlsplit(uri)
    if "@" in parts.netloc:
        raise PermanentError("Expected an address without credentials in the *_URI settings: they belong in AWS_*.")
    if parts.query or parts.fragment:
        raise PermanentError(f"Expected an address without ? and # in the *_URI settings, found {uri}.")
    if parts.scheme == "s3":
        return S3Place(parts.netloc, parts.path)
    if parts.scheme == "file":
        return FolderPlace(Path(parts.path))
    raise PermanentError(f"Expected a folder or an s3:// address, found {parts.scheme}://. Check the *_URI settings.")
