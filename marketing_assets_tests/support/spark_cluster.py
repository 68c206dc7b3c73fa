"""Spark's own servers on loopback, from the jars that pip's pyspark carries: a standalone cluster, a Connect server."""

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

# Small machines run the tests: little memory, and no more tasks than there are rows for.
_CONFIG = """
spark.driver.memory 1g
spark.executor.memory 512m
spark.sql.shuffle.partitions 2
spark.ui.enabled false
spark.master.rest.enabled false
"""


def configure_spark(folder: Path) -> None:
    """Set the environment that every Spark of this process and its children starts with."""
    (folder / "spark-defaults.conf").write_text(_CONFIG)
    os.environ |= {"SPARK_CONF_DIR": str(folder), "SPARK_LOCAL_IP": "127.0.0.1"}


@contextmanager
def standalone_cluster(folder: Path) -> Iterator[str]:
    """Run a master and two workers of one core each; give the master's address."""
    port = _free_port()
    address = f"spark://127.0.0.1:{port}"
    master = ["spark-class", "org.apache.spark.deploy.master.Master", "--host", "127.0.0.1", "--port", str(port)]
    worker = ["spark-class", "org.apache.spark.deploy.worker.Worker", "--host", "127.0.0.1", "--cores", "1"]
    worker += ["--memory", "1g", "--work-dir", str(folder / "work"), address]
    small = {"SPARK_DAEMON_MEMORY": "256m"}
    registered = "Successfully registered with master"
    with (
        _process([*master, "--webui-port", "0"], folder / "master.log", "I have been elected leader", **small),
        _process([*worker, "--webui-port", "0"], folder / "worker-1.log", registered, **small),
        _process([*worker, "--webui-port", "0"], folder / "worker-2.log", registered, **small),
    ):
        yield address


@contextmanager
def connect_server(folder: Path) -> Iterator[str]:
    """Run a Spark Connect server with a local master; give its address."""
    port = _free_port()
    command = ["spark-submit", "--master", "local[2]"]
    command += ["--class", "org.apache.spark.sql.connect.service.SparkConnectServer"]
    command += ["--conf", "spark.connect.grpc.binding.address=127.0.0.1"]
    command += ["--conf", f"spark.connect.grpc.binding.port={port}", "spark-internal"]
    with _process(command, folder / "connect.log", "Spark Connect server started"):
        yield f"sc://127.0.0.1:{port}"


@contextmanager
def _process(command: list[str], log: Path, ready: str, **env: str) -> Iterator[None]:
    import pyspark

    program = Path(pyspark.__file__).parent / "bin" / command[0]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [program, *command[1:]],
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=os.environ | env,
        )
    try:
        _wait_for(ready, log, process)
        yield
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=60)


def _wait_for(ready: str, log: Path, process: subprocess.Popen[bytes], seconds: float = 180) -> None:
    deadline = monotonic() + seconds
    while ready not in log.read_text(errors="replace"):
        if process.poll() is not None or monotonic() > deadline:
            raise RuntimeError(f"Expected “{ready}” in {log}, found:\n{log.read_text(errors='replace')[-3000:]}")
        sleep(0.1)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
