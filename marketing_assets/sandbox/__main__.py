"""The commands behind `make demo` and `make ui`: `python -m marketing_assets.sandbox demo|ui`."""

import argparse
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import NoReturn

import requests

from marketing_assets.errors import MarketingError, SettingsError
from marketing_assets.sandbox.processes import DagsterError, child_process, error_in, run_to_end
from marketing_assets.sandbox.stack import Sandbox, open_sandbox, yesterday
from marketing_assets.storage.reports import kpi_key, quality_key, report_key

_DEFINITIONS = ("-m", "marketing_assets.definitions")
_PORT = 3000
_START_SECONDS = 180
_LOOK_SECONDS = 60
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Progress:
    """Tells the person what happens, with the seconds since the start."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def say(self, text: str) -> None:
        """Print one line."""
        print(f"[{time.monotonic() - self._start:6.1f} s] {text}", flush=True)


def demo(folder: Path, days: int) -> None:
    """Materialize the last days in the sandbox, print the newest report and what Slack and mail would say.

    Raises:
        SettingsError: more days are asked for than the sandbox has.
        DagsterError: the run failed.
    """
    progress = Progress()
    newest = yesterday()
    first = newest - timedelta(days=days - 1)
    progress.say("Starting PostgreSQL and the ads API, filling the CRM, writing the sales files …")
    with open_sandbox(folder, show=_show_message) as sandbox:
        if first < sandbox.start_date:
            most = (newest - sandbox.start_date).days + 1
            raise SettingsError(f"Expected --days from 1 to {most}, found {days}: the sandbox starts {most} days ago.")
        progress.say(f"Materializing {days} days, {first} … {newest}, with Dagster …")
        command = ("dagster", "asset", "materialize", *_DEFINITIONS, "--select", "*")
        run_to_end(
            (*command, "--partition-range", f"{first}...{newest}"),
            sandbox.environment(),
            sandbox.folder,
            sandbox.log("demo"),
            progress.say,
        )
        reports = {extension: sandbox.reports / report_key(newest, extension) for extension in ("txt", "html", "xlsx")}
        print(f"\n{reports['txt'].read_text(encoding='utf-8')}\n")
        progress.say("What Slack and the mailbox would get (a local inbox takes it):")
        run_to_end(("marketing_assets.sandbox.deliver",), sandbox.environment(), sandbox.folder, sandbox.log("deliver"))
        files = {
            "report": reports["txt"],
            "as a page": reports["html"],
            "as a workbook": reports["xlsx"],
            "KPIs": sandbox.reports / kpi_key(newest),
            "quality pages": (sandbox.reports / quality_key(newest, "ads")).parent,
        }
        _print_places(sandbox, files)
    progress.say("Done. Everything that was started is stopped. Next: `make ui` shows all this in the Dagster UI.")


def ui(folder: Path) -> None:
    """Serve the Dagster UI over the sandbox until the process is interrupted; new days arrive at midnight.

    Raises:
        DagsterError: the UI did not start, or ended by itself.
    """
    progress = Progress()
    progress.say("Starting PostgreSQL and the ads API, filling the CRM, writing the sales files …")
    with open_sandbox(folder, show=_show_message) as sandbox:
        progress.say("Starting the Dagster UI and daemon …")
        port = _free_port()
        environment = sandbox.environment() | {"DAGSTER_UI_URL": f"http://127.0.0.1:{port}"}
        tidy_up = ("marketing_assets.operations.cli", "end-runs", "--all")
        run_to_end(tidy_up, environment, sandbox.folder, sandbox.log("end_runs"))
        log = sandbox.log("ui")
        command = ("dagster", "dev", *_DEFINITIONS, "-h", "127.0.0.1", "-p", str(port))
        with child_process(command, environment, sandbox.folder, log) as process, _settings_file(sandbox) as settings:
            _await_ui(f"http://127.0.0.1:{port}", process, log)
            progress.say(f"The Dagster UI is at http://127.0.0.1:{port} (its log: {log}). Ctrl-C ends it.")
            _print_places(sandbox, {"reports": sandbox.reports, "settings": settings})
            _keep_days_coming(sandbox, process)
            raise DagsterError(f"The Dagster UI ended by itself.{error_in(log)}")


@contextmanager
def _settings_file(sandbox: Sandbox) -> Iterator[Path]:
    """Keep the sandbox's settings in a file while it runs, for other commands: `set -a; . .sandbox/environment`."""
    path = sandbox.folder / "environment"
    lines = [f"{name}={shlex.quote(value)}" for name, value in sandbox.settings().items()]
    path.write_text("\n".join([*lines, ""]), encoding="utf-8")
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def _await_ui(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    session = requests.Session()
    session.trust_env = False  # no proxy stands between this machine and itself
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if session.get(f"{address}/server_info", timeout=5).ok:
                return
        except requests.RequestException:
            time.sleep(0.5)
    raise DagsterError(f"The Dagster UI did not start.{error_in(log)}")


def _keep_days_coming(sandbox: Sandbox, process: subprocess.Popen[bytes]) -> None:
    """Wait for the process to end; when a day is over, let the sources have it, as the schedule will ask for it."""
    newest = yesterday()
    while True:
        try:
            process.wait(_LOOK_SECONDS)
            return
        except subprocess.TimeoutExpired:
            if yesterday() > newest:
                newest = yesterday()
                sandbox.advance(newest)


def _free_port() -> int:
    """Return Dagster's usual port if it is free, else any free one."""
    for port in (_PORT, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise SettingsError("Expected a free port on 127.0.0.1, found none. End a program that holds one.")


def _show_message(text: str) -> None:
    indented = "\n".join(f"  │ {line}" for line in text.rstrip().splitlines())
    print(f"\n{indented}\n", flush=True)


def _print_places(sandbox: Sandbox, files: Mapping[str, Path]) -> None:
    rows = {
        **{name: str(path) for name, path in files.items()},
        "lake": str(sandbox.lake),
        "warehouse": f"{sandbox.database_url('warehouse')} (while `make ui` runs)",
        "sales files": str(sandbox.sales),
        "inbox": f"{sandbox.inbox.folder} (Slack messages and mails)",
        "logs": str(sandbox.folder / "logs"),
    }
    print("\n".join(f"  {name:<15}{place}" for name, place in rows.items()), flush=True)


def _interrupt(number: int, _: FrameType | None) -> NoReturn:
    # The first signal ends the program in good order; more of them must not cut that short.
    for stop_signal in _STOP_SIGNALS:
        signal.signal(stop_signal, signal.SIG_IGN)
    raise KeyboardInterrupt(signal.Signals(number).name)


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1, found {text!r}")
    return int(text)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status: 0, 1 after an error, 130 if a demo was interrupted."""
    parser = argparse.ArgumentParser(prog="python -m marketing_assets.sandbox", description=__doc__)
    parser.add_argument(
        "command", choices=("demo", "ui"), help="demo: materialize and print a report; ui: serve the UI"
    )
    parser.add_argument("--folder", type=Path, default=Path(".sandbox"), help="where the sandbox is kept (.sandbox)")
    parser.add_argument("--days", type=_positive, default=35, help="days that demo materializes, ending yesterday (35)")
    options = parser.parse_args(arguments)
    for number in _STOP_SIGNALS:
        signal.signal(number, _interrupt)
    try:
        if options.command == "demo":
            demo(options.folder, options.days)
        else:
            ui(options.folder)
    except KeyboardInterrupt:
        print("\nInterrupted. Everything that was started is stopped.", file=sys.stderr)
        return 130 if options.command == "demo" else 0
    except MarketingError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
