import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from marketing_assets.errors import PermanentError, SettingsError, TransientError
from marketing_assets.storage.places import FolderPlace, S3Place, open_place
from marketing_assets_tests.support.polling import polling


def test_a_file_comes_back_as_it_was_written(root):
    place = open_place(root)
    place.write("raw/date=2024-03-10/売上 1.csv", b"\x00\xff")

    assert place.exists("raw/date=2024-03-10/売上 1.csv")
    assert place.read("raw/date=2024-03-10/売上 1.csv") == b"\x00\xff"
    assert place.uri("raw/date=2024-03-10/売上 1.csv") == f"{root}/raw/date=2024-03-10/売上 1.csv"
    with place.local_copy("raw/date=2024-03-10/売上 1.csv") as path:
        assert path.read_bytes() == b"\x00\xff"


def test_a_second_write_replaces_the_file(root):
    place = open_place(root)
    place.write("report.txt", b"a long first version")
    place.write("report.txt", b"short")
    assert place.read("report.txt") == b"short"
    assert place.keys() == ["report.txt"]


def test_a_file_is_written_piece_by_piece(root):
    place = open_place(root)
    with place.writing("day/part-0.parquet") as file:
        file.write(b"one ")
        assert not place.exists("day/part-0.parquet")
        file.write(b"two")
    assert place.read("day/part-0.parquet") == b"one two"


def test_a_write_that_is_given_up_leaves_the_old_file(root):
    place = open_place(root)
    place.write("part-0.parquet", b"old")
    with pytest.raises(ZeroDivisionError), place.writing("part-0.parquet") as file:
        file.write(b"half of the new")
        raise ZeroDivisionError
    assert place.read("part-0.parquet") == b"old"
    assert place.keys() == ["part-0.parquet"]


def test_a_large_object_goes_up_in_parts(s3):
    place = open_place(f"s3://{s3.new_bucket()}/lake")
    pieces = [bytes([number]) * 10_000_000 for number in range(4)]
    with place.writing("large") as file:
        for piece in pieces:
            file.write(piece)

    head = place.client.head_object(Bucket=place.bucket, Key="lake/large")
    assert head["ETag"].strip('"').endswith("-3")  # S3 marks so the objects that came in three parts
    assert place.read("large") == b"".join(pieces)


def test_the_keys_that_are_there_are_told(root):
    place = open_place(root)
    for number in range(0, 9, 2):
        place.write(f"sales/{number}", b"")
    assert place.existing([f"sales/{number}" for number in range(2, 8)]) == {"sales/2", "sales/4", "sales/6"}
    assert place.existing(["sales/0", "sales/8", "other/1"]) == {"sales/0", "sales/8"}
    assert place.existing(["sales/1", "zebra"]) == set()
    assert place.existing([]) == set()


def test_keys_are_looked_up_in_as_many_answers_as_it_takes(s3):
    place = open_place(f"s3://{s3.new_bucket()}")
    place.client.meta.events.register(
        "before-parameter-build.s3.ListObjectsV2", lambda params, **_: params.update(MaxKeys=2)
    )
    for number in range(9):
        place.write(f"{number}", b"")
    assert place.existing(["0", "5", "8", "9"]) == {"0", "5", "8"}


def test_keys_are_listed_below_a_folder_and_sorted(root):
    place = open_place(root)
    for key in ("ads/date=2024-03-11/part-0", "ads/date=2024-03-10/part-0", "ads_old/date=2024-03-10/part-0", "top"):
        place.write(key, b"")
    assert place.keys("ads/") == ["ads/date=2024-03-10/part-0", "ads/date=2024-03-11/part-0"]
    assert place.keys() == ["ads/date=2024-03-10/part-0", *place.keys("ads/")[1:], *place.keys("ads_old/"), "top"]
    assert place.keys("nothing/here/") == []


def test_entries_are_the_files_right_below_and_tell_one_state_from_another(root):
    place = open_place(root)
    assert place.entries() == []
    place.write("sales_2024-03.csv", b"a,b")
    place.write("sales_2024-02.csv", b"")
    place.write("archive/sales_2024-03.csv", b"a,b")
    before = place.entries()
    assert [(entry.key, entry.size) for entry in before] == [("sales_2024-02.csv", 0), ("sales_2024-03.csv", 3)]
    assert all(abs(datetime.now(UTC) - entry.modified) < timedelta(minutes=5) for entry in before)
    assert place.entries() == before

    place.write("sales_2024-03.csv", b"c,d")
    [same, changed] = place.entries()
    assert same == before[0]
    assert (changed.size, changed.stamp == before[1].stamp) == (3, False)


def test_many_entries_are_listed_in_full_without_the_mark_of_their_folder(s3):
    bucket = s3.new_bucket()
    place = open_place(f"s3://{bucket}/sales")
    place.client.put_object(Bucket=bucket, Key="sales/", Body=b"")
    place.client.meta.events.register(
        "before-parameter-build.s3.ListObjectsV2", lambda params, **_: params.update(MaxKeys=2)
    )
    for number in range(5):
        place.write(f"{number}", b"")
    assert [entry.key for entry in place.entries()] == ["0", "1", "2", "3", "4"]  # read in three answers


def test_what_is_not_there_is_not_there(root):
    place = open_place(root)
    place.write("part-0.parquet", b"")

    assert not place.exists("part-0")  # the beginning of a key is not the key
    assert not place.exists("absent")
    with pytest.raises(FileNotFoundError):
        place.read("absent")
    with pytest.raises(FileNotFoundError), place.local_copy("absent"):
        pass


def test_many_keys_are_listed_in_full(s3):
    place = open_place(f"s3://{s3.new_bucket()}")
    place.client.meta.events.register(
        "before-parameter-build.s3.ListObjectsV2", lambda params, **_: params.update(MaxKeys=2)
    )
    for number in range(5):
        place.write(f"{number}", b"")
    assert place.keys() == ["0", "1", "2", "3", "4"]  # read in three answers


def test_readers_never_see_a_part_of_a_file(root):
    place = open_place(root)
    versions = [bytes([number]) * 300_000 for number in range(12)]
    place.write("part-0.parquet", versions[0])
    seen: list[bytes] = []

    with polling(lambda: seen.append(open_place(root).read("part-0.parquet"))):
        for version in versions[1:] * 20:
            place.write("part-0.parquet", version)
            if len(seen) > 5 and version is versions[-1]:
                break

    assert len(seen) > 1
    assert set(seen) <= set(versions)


def test_a_file_moves_onto_another_and_into_a_folder_that_is_not_there_yet(root):
    place = open_place(root)
    place.write("staging/new", b"new")
    place.write("day 1/part-0", b"an old and longer one")
    place.move("staging/new", "day 1/part-0")
    assert place.read("day 1/part-0") == b"new"
    assert place.keys() == ["day 1/part-0"]
    place.move("day 1/part-0", "day 2/part-0")
    assert place.keys() == ["day 2/part-0"]


def test_a_folder_is_removed_with_all_that_is_in_it_and_nothing_beside(root):
    place = open_place(root)
    for key in ("staging/1/a", "staging/1/deep/b", "staging/10/a", "staging/1.parquet"):
        place.write(key, b"")
    place.remove("staging/1")
    assert place.keys() == ["staging/1.parquet", "staging/10/a"]
    place.remove("staging/1")


def test_more_objects_than_one_request_takes_are_removed(s3):
    place = open_place(f"s3://{s3.new_bucket()}")
    for number in range(1001):
        place.client.put_object(Bucket=place.bucket, Key=f"staging/{number}")
    place.remove("staging")
    assert place.keys() == []


def test_a_failed_write_leaves_the_old_file_and_no_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    place = FolderPlace(tmp_path)
    place.write("day/part-0.parquet", b"old")

    def full_disk(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(TransientError, match=r"No space left on device\. Check the disk"):
        place.write("day/part-0.parquet", b"new")
    assert place.read("day/part-0.parquet") == b"old"
    assert [path.name for path in (tmp_path / "day").iterdir()] == ["part-0.parquet"]


def test_parts_of_a_killed_write_are_no_files(tmp_path: Path):
    (tmp_path / ".part-0.parquet.4f2c.part").write_bytes(b"half")
    (tmp_path / "part-0.parquet").write_bytes(b"whole")
    assert FolderPlace(tmp_path).keys() == ["part-0.parquet"]


def test_a_folder_that_is_a_file_is_a_permanent_fault(tmp_path: Path):
    (tmp_path / "lake").write_text("not a folder")
    with pytest.raises(PermanentError, match=rf"Expected to write {tmp_path}/lake/day/part-0\.parquet"):
        FolderPlace(tmp_path / "lake").write("day/part-0.parquet", b"")


def test_a_folder_that_nobody_may_write_is_a_permanent_fault():
    # Not even root makes folders here.
    with pytest.raises(PermanentError, match=r"Expected to write /sys/lake/part-0\.parquet, but: .*Check the folder"):
        FolderPlace(Path("/sys")).write("lake/part-0.parquet", b"")


def test_a_missing_bucket_is_a_permanent_fault(s3):
    place = open_place("s3://no-such-bucket/lake")
    for ask in every_verb(place):
        with pytest.raises(PermanentError, match=r"s3://no-such-bucket/lake.*NoSuchBucket.*Check the bucket's name"):
            ask()


def test_a_refused_key_is_a_permanent_fault_and_its_secret_is_not_told(s3):
    place = open_place(f"s3://{s3.new_bucket()}/lake")
    s3.check_keys("0")
    try:
        for ask in every_verb(place):
            with pytest.raises(PermanentError, match=r"HTTP 403") as raised:
                ask()
            assert "made-up-secret" not in str(raised.value)
    finally:
        s3.check_keys("inf")


class _CutOff(BaseHTTPRequestHandler):
    """An S3 that has the object, and hangs up before all of it is sent."""

    def do_HEAD(self):
        self.send_response(200)
        self.send_header("Content-Length", "100000")
        self.send_header("ETag", '"x"')
        self.end_headers()

    def do_GET(self):
        if "list-type" in self.path:
            found = b"<ListBucketResult><Contents><Key>sales.csv</Key></Contents></ListBucketResult>"
            self.send_response(200)
            self.end_headers()
            self.wfile.write(found)
        else:
            self.do_HEAD()
            self.wfile.write(b"order_id,")

    def log_message(self, *_arguments):
        pass


def test_a_download_that_is_cut_off_again_and_again_is_a_transient_fault(s3, monkeypatch):
    with ThreadingHTTPServer(("127.0.0.1", 0), _CutOff) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
        place = open_place("s3://bucket")
        with (
            pytest.raises(TransientError, match=r"s3://bucket/sales.csv: RetriesExceededError"),
            place.local_copy("sales.csv"),
        ):
            pass
        server.shutdown()


def test_no_credentials_are_a_permanent_fault(s3, monkeypatch):
    bucket = s3.new_bucket()
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(PermanentError, match=r"No AWS credentials to write .*: set the AWS_\* variables"):
        open_place(f"s3://{bucket}").write("report.txt", b"")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("AWS_SECRET_ACCESS_KEY", None, "Partial credentials found in env"),
        ("AWS_PROFILE", "nobody", r"The config profile \(nobody\) could not be found"),
        ("AWS_ENDPOINT_URL", "no address", "Invalid endpoint: no address"),
    ],
)
def test_settings_that_boto_cannot_use_are_a_permanent_fault(s3, monkeypatch, name, value, message):
    bucket = s3.new_bucket()
    monkeypatch.delenv(name, raising=False)
    if value is not None:
        monkeypatch.setenv(name, value)
    with pytest.raises(PermanentError, match=rf"cannot be asked to .*{message}.* Check the address and the AWS_"):
        open_place(f"s3://{bucket}").write("report.txt", b"")


def test_a_bucket_name_that_cannot_be_is_a_permanent_fault(s3):
    with pytest.raises(PermanentError, match="Invalid bucket name"):
        open_place("s3://my bucket/lake").write("report.txt", b"")


def test_an_endpoint_that_is_away_is_a_transient_fault(s3, monkeypatch, unused_port):
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{unused_port}")
    with pytest.raises(TransientError, match=r"S3 did not answer when asked to write s3://bucket/lake/report\.txt"):
        open_place("s3://bucket/lake").write("report.txt", b"")


@pytest.mark.parametrize("kind", ["AES256", "aws:kms"])
def test_objects_are_encrypted_by_the_store_as_the_settings_say(s3, monkeypatch, kind):
    monkeypatch.setenv("S3_SERVER_SIDE_ENCRYPTION", kind)
    if kind == "aws:kms":
        monkeypatch.setenv("S3_KMS_KEY_ID", "arn:aws:kms:ap-northeast-1:123456789012:key/marketing")
    place = open_place(f"s3://{s3.new_bucket()}")
    place.write("whole", b"1")
    with place.writing("small") as file:
        file.write(b"1")
    with place.writing("large") as file:
        file.write(bytes(20_000_000))
    place.write("first", b"1")
    place.move("first", "moved")

    for key in ("whole", "small", "large", "moved"):
        head = place.client.head_object(Bucket=place.bucket, Key=key)
        assert head["ServerSideEncryption"] == kind
        assert head.get("SSEKMSKeyId") == os.environ.get("S3_KMS_KEY_ID")


@pytest.mark.parametrize(
    ("kind", "key", "told"),
    [
        ("aes", "", "Expected S3_SERVER_SIDE_ENCRYPTION to be one of AES256, aws:kms, aws:kms:dsse, found aes"),
        ("AES256", "key", "S3_KMS_KEY_ID needs S3_SERVER_SIDE_ENCRYPTION=aws:kms"),
        ("", "key", "S3_KMS_KEY_ID needs S3_SERVER_SIDE_ENCRYPTION=aws:kms"),
    ],
)
def test_encryption_settings_that_make_no_sense_are_refused(monkeypatch, kind, key, told):
    monkeypatch.setenv("S3_SERVER_SIDE_ENCRYPTION", kind)
    monkeypatch.setenv("S3_KMS_KEY_ID", key)
    with pytest.raises(SettingsError, match=told):
        open_place("s3://bucket")


def test_addresses_of_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/me")
    assert open_place("/data/lake").uri("a/b") == "/data/lake/a/b"
    assert open_place("file:///data/lake").uri("a/b") == "/data/lake/a/b"
    assert open_place("/data/tenant#2/lake?").uri("a/b") == "/data/tenant#2/lake?/a/b"
    assert open_place("lake").uri() == f"{tmp_path}/lake"
    assert open_place("~/lake").uri() == "/home/me/lake"
    assert open_place("s3://bucket").uri("a/b") == "s3://bucket/a/b"
    assert open_place("s3://bucket/deep/prefix/").uri("a/b") == "s3://bucket/deep/prefix/a/b"


@pytest.mark.parametrize("uri", ["https://example.com/lake", "gs://bucket/lake"])
def test_other_schemes_are_refused(uri):
    with pytest.raises(PermanentError, match=r"Expected a folder or an s3:// address"):
        open_place(uri)


@pytest.mark.parametrize("uri", ["s3://bucket/tenant#2", "s3://bucket/lake?region=x", "file:///data/tenant#2"])
def test_an_address_that_would_be_cut_is_refused(uri):
    with pytest.raises(PermanentError, match=r"without \? and #"):
        open_place(uri)


def every_verb(place: S3Place) -> list[Callable[[], object]]:
    def copy() -> None:
        with place.local_copy("key"):
            pass

    def write_piece_by_piece() -> None:
        with place.writing("key") as file:
            file.write(b"")

    return [
        lambda: place.write("key", b""),
        write_piece_by_piece,
        lambda: place.read("key"),
        lambda: place.exists("key"),
        lambda: place.keys(),
        lambda: place.remove("key"),
        lambda: place.entries(),
        copy,
    ]
