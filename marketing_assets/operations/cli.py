"""The command `marketing-assets`: what whoever runs the platform does by hand. Exit status 0 well, 1 not, 2 usage."""

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import unquote, urlsplit
from zoneinfo import ZoneInfo

from marketing_assets.errors import MarketingError, SettingsError
from marketing_assets.settings import load_definition_settings, load_operation_settings

if TYPE_CHECKING:
    from marketing_assets.operations.doctor import Probe
    from marketing_assets.operations.heartbeat import Heartbeat

WELL, NOT_WELL = 0, 1


def run_doctor(_options: argparse.Namespace) -> int:
    """Try everything that is configured; one line each."""
    from marketing_assets.operations.doctor import Level, examine
    from marketing_assets.operations.probes import probes_of_settings

    # What a probe meets it tells in its line; libraries would tell it again.
    logging.disable(logging.CRITICAL)
    try:
        findings = examine(probes_of_settings() | {"Dagster": _dagster_probe()})
    finally:
        logging.disable(logging.NOTSET)
    print("\n".join(map(str, findings)))
    levels = [finding.level for finding in findings]
    print(f"\n{levels.count(Level.OK)} well, {levels.count(Level.WARN)} warnings, {levels.count(Level.FAIL)} faults.")
    return NOT_WELL if Level.FAIL in levels else WELL


def run_heartbeat(options: argparse.Namespace) -> int:
    """Print the heartbeat, or serve it until the process is ended."""
    from marketing_assets.operations.heartbeat import PATH, make_server

    if options.serve is None:
        heartbeat = _read_heartbeat()
        print(heartbeat.to_json())
        return WELL if heartbeat.healthy else NOT_WELL
    host, port = options.serve
    with make_server(host, port, _read_heartbeat) as server:
        print(f"Serving http://{host}:{server.server_port}{PATH} until Ctrl-C.", flush=True)
        server.serve_forever()
    return WELL


def run_prune(options: argparse.Namespace) -> int:
    """Delete what is older than RUN_RETENTION_DAYS and LAKE_RETENTION_DAYS, or count it."""
    from marketing_assets.operations.instance import open_instance
    from marketing_assets.operations.prune import prune_everything

    settings, zone = load_operation_settings(), _zone()
    with open_instance() as instance:
        pruned = prune_everything(instance, settings, datetime.now(zone), options.dry_run)
    print(pruned.told(options.dry_run))
    return WELL


def run_end_runs(options: argparse.Namespace) -> int:
    """List the runs that are under way, or mark some of them as canceled."""
    from marketing_assets.operations.instance import StorageNotMadeError, open_instance
    from marketing_assets.operations.runs import end_runs, list_runs_under_way

    try:
        instance = open_instance()
    except StorageNotMadeError as error:
        print(error)
        return WELL
    with instance:
        runs = list_runs_under_way(instance)
        ended = [run for run in runs if options.all or run.run_id in options.run_id or (options.gone and run.is_gone)]
        if unknown := set(options.run_id) - {run.run_id for run in runs}:
            raise SettingsError(f"Expected ids of runs that are under way, found {', '.join(sorted(unknown))}.")
        end_runs(instance, ended, force=options.force or options.all)
    for run in runs:
        print(f"{'ended' if run in ended else 'under way':<10}{run}")
    left = [run for run in runs if run not in ended and run.is_gone]
    print(f"{len(ended)} ended, {len(runs) - len(ended)} under way, {len(left)} of them without a process here.")
    return NOT_WELL if left else WELL


def run_roles(options: argparse.Namespace) -> int:
    """Print or run the SQL of the read-only roles."""
    from marketing_assets.operations import roles

    if options.database == "crm":
        setting, purpose = "CRM_DATABASE_URL", "the CRM (CRM_DATABASE_URL)"
        statements = roles.crm_statements(options.role or roles.CRM_ROLE)
    else:
        setting, purpose = "WAREHOUSE_DATABASE_URL", "the warehouse (WAREHOUSE_DATABASE_URL)"
        owner = options.owner or unquote(urlsplit(os.environ.get(setting, "")).username or "")
        if not owner:
            raise SettingsError(
                "Expected the role that makes the marts: set WAREHOUSE_DATABASE_URL with a user, or name it by --owner."
            )
        schema = load_definition_settings().warehouse_schema
        statements = roles.mart_statements(schema, owner, options.role or roles.MART_ROLE)
    if not options.apply:
        print("\n".join(statements))
        return WELL
    if not os.environ.get(setting):
        raise SettingsError(f"Missing setting: {setting}, as a role that owns the tables and may make roles.")
    roles.apply(statements, os.environ[setting], purpose)
    print("Done. Give the role a password with \\password in psql, then use it instead of the owner.")
    return WELL


def _dagster_probe() -> "Probe":
    """Make the probe of Dagster; what it imports takes seconds, in which no probe's time should run out."""
    from marketing_assets.operations.dagster_probe import probe_dagster
    from marketing_assets.operations.doctor import Finding, Level

    try:
        from marketing_assets.definitions import defs
    except SettingsError as error:
        fault = Finding(Level.FAIL, "Dagster", f"The definitions cannot be loaded. {error}")
        return lambda: [fault]
    names = {definition.name for definition in (*(defs.schedules or ()), *(defs.sensors or ()))}
    return lambda: probe_dagster(names)


def _read_heartbeat() -> "Heartbeat":
    from marketing_assets.operations.heartbeat import read_heartbeat
    from marketing_assets.operations.instance import open_instance

    hour = load_operation_settings().heartbeat_overdue_hour
    with open_instance() as instance:
        return read_heartbeat(instance, datetime.now(_zone()), hour)


def _zone() -> ZoneInfo:
    return ZoneInfo(load_definition_settings().marketing_timezone)


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"expected HOST:PORT such as 127.0.0.1:8099, found {text!r}")
    return host, int(port)


def make_parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    parser = argparse.ArgumentParser(
        prog="marketing-assets",
        description="Looks after the marketing data platform. Settings come from the environment and from .env here.",
        epilog="Exit status: 0 all is well, 1 something is not (it is printed), 2 the command line is wrong.",
    )
    parser.add_argument("--version", action="version", version=version("marketing_assets"))
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    doctor = commands.add_parser(
        "doctor",
        help="try every configured connection and permission, changing nothing",
        description="Tries every configured connection and permission at once and prints a line for each: how it is, "
        "what was found, what to do. Nothing is changed, no data are shown. The ads API gets one request.",
    )
    doctor.set_defaults(run=run_doctor)

    heartbeat = commands.add_parser(
        "heartbeat",
        help="tell a monitor whether yesterday is published and the daemon alive",
        description="Prints a JSON object about the newest day, the last success, the daemon and failing checks, read "
        "from Dagster's storage. Exit status 1 when somebody should look.",
    )
    heartbeat.add_argument(
        "--serve", type=_address, metavar="HOST:PORT", help="answer GET /heartbeat instead: 200 healthy, 503 not"
    )
    heartbeat.set_defaults(run=run_heartbeat)

    prune = commands.add_parser(
        "prune",
        help="delete old runs and logs, and old days of the lake if so set",
        description="Deletes Dagster's runs of which nothing is the newest any more, and the logs of the others, once "
        "they are older than RUN_RETENTION_DAYS; and the lake's days that are older than LAKE_RETENTION_DAYS, if that "
        "is set. Partitions stay materialized, checks keep their newest result, the marts are not touched.",
    )
    prune.add_argument("--dry-run", action="store_true", help="only count what would be deleted")
    prune.set_defaults(run=run_prune)

    end = commands.add_parser(
        "end-runs",
        help="list the runs under way; mark those as canceled that nobody works on",
        description="Lists the runs that Dagster counts as under way. One that was killed counts until somebody marks "
        "it as canceled, and no other run starts meanwhile.",
    )
    end.add_argument("run_id", nargs="*", metavar="RUN_ID", help="mark these as canceled")
    end.add_argument("--gone", action="store_true", help="mark all whose process is not on this machine")
    end.add_argument("--all", action="store_true", help="mark all; only while nothing runs with this DAGSTER_HOME")
    end.add_argument("--force", action="store_true", help="mark them even where a process has the number on record")
    end.set_defaults(run=run_end_runs)

    roles = commands.add_parser(
        "roles",
        help="print the SQL of read-only roles for the CRM and for BI tools",
        description="Prints the SQL of a role that reads the CRM's columns the platform needs (crm), or of one that "
        "reads every mart (mart). It may be run again; no password is in it.",
    )
    roles.add_argument("database", choices=("crm", "mart"), help="which role")
    roles.add_argument("--role", help="its name (marketing_crm_reader, mart_reader)")
    roles.add_argument("--owner", help="role that makes the marts (the user in WAREHOUSE_DATABASE_URL)")
    roles.add_argument("--apply", action="store_true", help="run it at CRM_DATABASE_URL or WAREHOUSE_DATABASE_URL")
    roles.set_defaults(run=run_roles)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    from dotenv import load_dotenv

    options = make_parser().parse_args(arguments)
    load_dotenv(Path(".env"))
    try:
        status: int = options.run(options)
    except MarketingError as error:
        print(error, file=sys.stderr)
        return NOT_WELL
    except KeyboardInterrupt:
        return WELL
    return status


def run_program() -> NoReturn:
    """Run the command as a program, which ends at once: a probe that hangs in a library would hold its end up."""
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    run_program()
