import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from marketing_assets.sandbox.__main__ import main
from marketing_assets_tests.sandbox.lifetimes import is_running


def test_the_ui_is_served_until_it_is_interrupted_and_nothing_stays_behind(server_folder: Path):
    command = [sys.executable, "-m", "marketing_assets.sandbox", "ui", "--folder", str(server_folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            address = next(
                word for line in process.stdout for word in line.split() if word.startswith("http://127.0.0.1:")
            )
            server = int((server_folder / "postgres" / "postmaster.pid").read_text().splitlines()[0])

            served = requests.get(f"{address}/server_info", timeout=60)

            assert served.json()["dagster_webserver_version"]
            assert is_running(server)
        finally:
            process.send_signal(signal.SIGINT)
    assert process.returncode == 0
    assert not is_running(server)
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{address}/server_info", timeout=60)


@pytest.mark.parametrize("days", ["0", "-1", "many"])
def test_a_wrong_number_of_days_is_refused(days: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as ending:
        main(["demo", "--days", days])

    assert ending.value.code == 2
    assert f"expected a whole number from 1, found '{days}'" in capsys.readouterr().err


def test_more_days_than_the_sandbox_has_are_refused(server_folder: Path):
    command = [
        sys.executable,
        "-m",
        "marketing_assets.sandbox",
        "demo",
        "--days",
        "121",
        "--folder",
        str(server_folder),
    ]

    refused = subprocess.run(command, capture_output=True, text=True, check=False)

    assert refused.returncode == 1
    assert "Expected --days from 1 to 120, found 121" in refused.stderr
