import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from marketing_assets.errors import SettingsError
from marketing_assets.sandbox.postgres import running_postgres
from marketing_assets_tests.sandbox.lifetimes import is_running


def server_pid(data: Path) -> int:
    return int((data / "postmaster.pid").read_text().splitlines()[0])


def write_and_count(url: str) -> int:
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE IF NOT EXISTS visits (n int)"))
        connection.execute(text("INSERT INTO visits VALUES (1)"))
        count = connection.execute(text("SELECT count(*) FROM visits")).scalar_one()
    engine.dispose()
    return int(count)


def test_databases_outlive_the_server_and_the_server_does_not_outlive_the_block(server_folder: Path):
    data = server_folder / "data"
    with running_postgres(data, ("crm",)) as url:
        pid = server_pid(data)
        assert write_and_count(url("crm")) == 1
    assert not is_running(pid)
    with running_postgres(data, ("crm", "warehouse")) as url:
        assert write_and_count(url("crm")) == 2
        assert write_and_count(url("warehouse")) == 1


def test_the_server_stops_on_an_error_too(server_folder: Path):
    with pytest.raises(ZeroDivisionError), running_postgres(server_folder / "data", ()):
        pid = server_pid(server_folder / "data")
        raise ZeroDivisionError
    assert not is_running(pid)


def test_a_server_that_a_killed_program_left_is_taken_over_and_stopped(server_folder: Path):
    data = server_folder / "data"
    program = f"""
import os, pathlib, signal
from marketing_assets.sandbox.postgres import running_postgres
with running_postgres(pathlib.Path({str(data)!r}), ("crm",)):
    os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", program], check=False)
    pid = server_pid(data)
    assert is_running(pid)

    with running_postgres(data, ("crm",)) as url:
        assert server_pid(data) == pid
        assert write_and_count(url("crm")) == 1
    assert not is_running(pid)


def test_another_program_with_a_dead_servers_id_is_left_alone(server_folder: Path):
    data = server_folder / "data"
    with running_postgres(data, ("crm",)):
        lines = (data / "postmaster.pid").read_text().splitlines()
    # What a machine that went down leaves, when the id has since gone to another program: here, this one.
    (data / "postmaster.pid").write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")

    with running_postgres(data, ("crm",)) as url:
        assert server_pid(data) != os.getpid()
        assert write_and_count(url("crm")) == 1


def test_a_folder_with_a_space_is_refused_before_anything_starts(server_folder: Path):
    with pytest.raises(SettingsError, match="without a space"), running_postgres(server_folder / "my data", ()):
        pass
    assert not (server_folder / "my data").exists()
