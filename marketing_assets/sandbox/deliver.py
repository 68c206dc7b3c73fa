"""Sends the newest day's report to Slack and by mail: `python -m marketing_assets.sandbox.deliver`.

The demo has no daemon whose sensors would do so.
"""

import dagster as dg

from marketing_assets.defs.outcomes import read_newest_report
from marketing_assets.errors import PermanentError
from marketing_assets.notify.mail import Mail
from marketing_assets.notify.slack import Slack
from marketing_assets.settings import load_notification_settings


def main() -> None:
    """Send what there is to say about the newest report of the DAGSTER_HOME.

    Raises:
        PermanentError: there is no report yet.
    """
    settings = load_notification_settings()
    with dg.DagsterInstance.get() as instance:
        newest = read_newest_report(instance)
    if newest is None or newest[1] is None:
        raise PermanentError("Expected a day with a report, found none. Materialize `report` first.")
    for channel in (Slack(settings), Mail(settings)):
        channel.send(newest[1])


if __name__ == "__main__":
    main()
