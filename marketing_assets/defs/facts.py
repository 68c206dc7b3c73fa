"""Whether a day's facts, materialized again, are others than before."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import dagster as dg

FACTS_VERSION_KEY = "facts_version"
"""Metadata of a materialization of `channel_merged`: days whose facts are alike share it.

Dagster's own data versions will not do: in a run over a range, an output has one for all its days.
"""

FACTS = dg.AssetKey("channel_merged")
SOLD = [dg.AssetKey(name) for name in ("raw_sales", "validated_sales", "channel_merged", "customer_detail")]
"""What a change of a sales file makes anew."""
PULLED = [dg.AssetKey(name) for name in ("raw_ads", "raw_crm", "validated_ads", "validated_crm")] + SOLD
"""What a change of any source makes anew, but for the windows, which follow by themselves if facts have changed."""

_MOST_MATERIALIZATIONS = 200


@dataclass(frozen=True)
class _Facts:
    """One materialization of a day's facts: where in the event log, by which run, and which facts."""

    position: int
    run_id: str
    version: str | None


class FactsHistory:
    """What each day's facts have been, by the event log; each day is looked up once.

    Attributes:
        changed_by: Runs that made the facts that were found to differ.
    """

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.changed_by: set[str] = set()
        self._instance = instance
        self._made: dict[date, Sequence[_Facts]] = {}

    def differs(self, day: date, since: int) -> bool:
        """Tell whether a day's facts are others now than they were at a position of the event log.

        A day that had none then differs, and so does one that was materialized before versions were kept.
        """
        made = self._made_of(day)
        before = next((facts.version for facts in made if facts.position <= since), None)
        if not made or (before is not None and made[0].version == before):
            return False
        self.changed_by.add(made[0].run_id)
        return True

    def _made_of(self, day: date) -> Sequence[_Facts]:
        """List a day's materializations, the newest first."""
        if day not in self._made:
            of_day = dg.AssetRecordsFilter(asset_key=FACTS, asset_partitions=[str(day)])
            records = self._instance.fetch_materializations(of_day, limit=_MOST_MATERIALIZATIONS).records
            self._made[day] = [_Facts(record.storage_id, record.run_id, _version(record)) for record in records]
        return self._made[day]


def _version(record: dg.EventLogRecord) -> str | None:
    materialization = record.asset_materialization
    found = materialization.metadata.get(FACTS_VERSION_KEY) if materialization else None
    return str(found.value) if found is not None else None
