"""The sandbox as a whole: its folder, its PostgreSQL, its ads API, and the settings that lead the platform to them."""

import csv
import fcntl
import io
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

import marketing_assets
from marketing_assets.errors import PermanentError, SettingsError
from marketing_assets.sandbox.ads_server import AdsApi, serving
from marketing_assets.sandbox.crm import fill_crm
from marketing_assets.sandbox.inbox import Inbox, receiving
from marketing_assets.sandbox.postgres import running_postgres
from marketing_assets.sandbox.sales_files import write_files
from marketing_assets.sandbox.world import CAMPAIGN_CHANNELS, ZONE, World

SEED = "marketing"
DAYS_OF_HISTORY = 275
"""Age of the company on the day that the sandbox is made."""
DAYS_OF_PARTITIONS = 120
"""Days before the one on which the sandbox is made that can be materialized."""

_CLIENT_ID = "sandbox"
_CLIENT_SECRET = "made-up-secret"  # noqa: S105 (it opens nothing but the made-up API on this machine)
_DATABASES = ("crm", "warehouse", "dagster")
_OUTSIDE_WORLD = ("ADS_", "DAGSTER_", "EMAIL_", "REPORTS_", "SLACK_", "SMTP_")


def yesterday() -> date:
    """Return the newest day that is over, in the company's time zone."""
    return datetime.now(ZONE).date() - timedelta(days=1)


@dataclass(frozen=True)
class Sandbox:
    """A running sandbox.

    Attributes:
        folder: Where everything lies; absolute.
        world: What happens in it.
        start_date: First day that can be materialized.
        ads_address: Base address of the ads API.
        database_url: Gives the URL of `crm`, `warehouse` or `dagster`.
        inbox: Where Slack messages and mails arrive.
        inbox_settings: Settings that lead there.
    """

    folder: Path
    world: World
    start_date: date
    ads_address: str
    database_url: Callable[[str], str]
    inbox: Inbox
    inbox_settings: Mapping[str, str]

    @property
    def lake(self) -> Path:
        """Folder of the lake."""
        return self.folder / "lake"

    @property
    def reports(self) -> Path:
        """Folder of the reports store."""
        return self.folder / "reports"

    @property
    def sales(self) -> Path:
        """Folder of the monthly sales CSVs."""
        return self.folder / "sales"

    def log(self, name: str) -> Path:
        """Return the path of one of the sandbox's logs."""
        return self.folder / "logs" / f"{name}.log"

    def advance(self, through: date) -> None:
        """Let CRM and sales files have every day up to `through`; days they have already stay as they are."""
        fill_crm(self.database_url("crm"), self.world, through)
        write_files(self.world, self.sales, through)

    def environment(self) -> dict[str, str]:
        """Return the environment that runs the platform in the sandbox.

        The caller's own environment is kept, but for what would lead outside: a shell that is set up for production
        must not let made-up figures reach its Slack, its mailboxes or its Dagster.
        """
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(_OUTSIDE_WORLD)}
        return inherited | self.settings()

    def settings(self) -> dict[str, str]:
        """Return the environment variables that lead into the sandbox."""
        return {
            "ADS_API_URL": f"{self.ads_address}/v1",
            "ADS_TOKEN_URL": f"{self.ads_address}/oauth/token",
            "ADS_CLIENT_ID": _CLIENT_ID,
            "ADS_CLIENT_SECRET": _CLIENT_SECRET,
            "BACKFILL_DAYS_PER_RUN": "0",
            "CAMPAIGN_CHANNELS_CSV": str(self.folder / "campaign_channels.csv"),
            "CRM_DATABASE_URL": self.database_url("crm"),
            "DAGSTER_HOME": str(self.folder / "dagster"),
            "DAGSTER_POSTGRES_URL": self.database_url("dagster"),
            "LAKE_URI": str(self.lake),
            "MARKETING_START_DATE": self.start_date.isoformat(),
            "MARKETING_TIMEZONE": ZONE.key,
            "NO_PROXY": "127.0.0.1,localhost",
            "PYTHONUNBUFFERED": "1",
            "REPORTS_URI": str(self.reports),
            "RETRY_DELAY_SECONDS": "1",
            "SALES_REPORTS_URI": str(self.sales),
            "WAREHOUSE_DATABASE_URL": self.database_url("warehouse"),
            **self.inbox_settings,
        }


@contextmanager
def open_sandbox(
    folder: Path, newest_day: Callable[[], date] = yesterday, show: Callable[[str], None] = lambda _: None
) -> Iterator[Sandbox]:
    """Make the sandbox at first use, start its servers, and stop them at the end.

    Args:
        folder: Where everything is kept. Its birthday is kept with it, so that a later day opens the same world.
        newest_day: Tells the newest day that is over; the sources know nothing later.
        show: Is told what arrives in the inbox.

    Raises:
        PermanentError: another program has the sandbox open, or the folder holds something else.
    """
    folder = folder.expanduser().resolve()
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        stack.enter_context(_locked(folder))
        born = _birthday(folder / "sandbox.json", newest_day() + timedelta(days=1))
        world = World(SEED, born - timedelta(days=DAYS_OF_HISTORY))
        (folder / "logs").mkdir(exist_ok=True)
        _lay_out_dagster_home(folder / "dagster")
        _write_campaign_channels(folder / "campaign_channels.csv")
        database_url = stack.enter_context(running_postgres(folder / "postgres", _DATABASES))
        api = AdsApi(world, _CLIENT_ID, _CLIENT_SECRET, newest_day=newest_day)
        ads_address = stack.enter_context(serving(api))
        inbox = Inbox(folder / "inbox", show)
        sandbox = Sandbox(
            folder=folder,
            world=world,
            start_date=born - timedelta(days=DAYS_OF_PARTITIONS),
            ads_address=ads_address,
            database_url=database_url,
            inbox=inbox,
            inbox_settings=stack.enter_context(receiving(inbox)),
        )
        sandbox.advance(newest_day())
        yield sandbox


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep every other program out of the sandbox; the lock goes with this one, however it ends."""
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PermanentError(
                f"The sandbox {folder} is in use by another `make demo` or `make ui`. "
                "End that one first, or choose another folder with --folder."
            ) from None
        yield


def _birthday(path: Path, today: date) -> date:
    if not path.exists():
        part = path.with_suffix(".part")
        part.write_text(json.dumps({"created": today.isoformat()}))
        part.replace(path)
        return today
    try:
        return date.fromisoformat(json.loads(path.read_text())["created"])
    except (ValueError, KeyError, TypeError):
        raise PermanentError(
            f'Expected {{"created": "YYYY-MM-DD"}} in {path}, found something else. '
            "Delete the sandbox folder to start afresh."
        ) from None


def _lay_out_dagster_home(home: Path) -> None:
    source = Path(marketing_assets.__file__).parent.parent / "dagster.yaml"
    if not source.exists():
        raise SettingsError(
            f"Expected the project's dagster.yaml at {source}: the sandbox runs from a checkout. "
            "Clone the repository, then `make demo`."
        )
    home.mkdir(exist_ok=True)
    shutil.copy(source, home / "dagster.yaml")


def _write_campaign_channels(path: Path) -> None:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(("pattern", "channel"))
    writer.writerows(CAMPAIGN_CHANNELS)
    path.write_text(text.getvalue(), encoding="utf-8", newline="")
