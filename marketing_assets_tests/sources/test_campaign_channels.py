from pathlib import Path

import pytest

from marketing_assets.errors import PermanentError
from marketing_assets.sources.campaign_channels import read_channel_rules


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "channels.csv"


def test_rules_come_in_the_order_of_the_file(file):
    file.write_text("pattern,channel\nPMAX_*,Google\n *リール* , Instagram \n*,Other\n", encoding="utf-8")
    assert read_channel_rules(str(file)) == [("PMAX_*", "Google"), ("*リール*", "Instagram"), ("*", "Other")]


def test_no_file_set_means_no_rules():
    assert read_channel_rules(None) == []


def test_a_byte_order_mark_blank_lines_and_further_columns_do_no_harm(file):
    file.write_bytes(b"\xef\xbb\xbfnote,pattern,channel\r\nold,A*,Google\r\n\r\n,B*,Other\r\n")
    assert read_channel_rules(str(file)) == [("A*", "Google"), ("B*", "Other")]


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_lines_end_as_they_do_on_any_system(file, line_end):
    file.write_bytes(line_end.join(["pattern,channel", "A*,Google", "B*,Other"]).encode())
    assert read_channel_rules(str(file)) == [("A*", "Google"), ("B*", "Other")]


def test_a_bare_file_name_is_looked_up_where_the_program_runs(file, monkeypatch):
    file.write_text("pattern,channel\nA*,Google\n")
    monkeypatch.chdir(file.parent)
    assert read_channel_rules("channels.csv") == [("A*", "Google")]
    assert read_channel_rules(f"file://{file}") == [("A*", "Google")]


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", r"Expected the columns pattern,channel in .*channels\.csv \(CAMPAIGN_CHANNELS_CSV\), found nothing"),
        (b"pattern;channel\nA*;Google\n", r"Expected the columns pattern,channel in .*, found pattern;channel"),
        (
            b"pattern,channel\nA*,\n",
            r"every line of .*channels\.csv \(CAMPAIGN_CHANNELS_CSV\); one is missing on line 2\.$",
        ),
        (b"pattern,channel\nA*,Google\n\n\n,Other\nB*\n", r"one is missing on line 5, 6\.$"),
        ("pattern,channel\nリール,Google\n".encode("cp932"), r"in UTF-8.*Save it as UTF-8"),
    ],
    ids=["empty", "semicolons", "no channel", "lines are counted as an editor counts them", "CP932"],
)
def test_a_file_that_cannot_be_used_is_a_permanent_fault(file, data, told):
    file.write_bytes(data)
    with pytest.raises(PermanentError, match=told):
        read_channel_rules(str(file))


def test_a_file_that_is_not_there_is_a_permanent_fault(file):
    with pytest.raises(PermanentError, match=rf"^CAMPAIGN_CHANNELS_CSV names {file}, but there is no such file\.$"):
        read_channel_rules(str(file))


def test_a_folder_in_its_place_is_a_permanent_fault(tmp_path):
    with pytest.raises(PermanentError, match=rf"CAMPAIGN_CHANNELS_CSV names {tmp_path}, but: Is a directory"):
        read_channel_rules(str(tmp_path))
