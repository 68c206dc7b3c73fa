"""Whether a day's facts, materialized again, are others than before."""

from collections.abc import Sequence
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


class FactsHistory:
    """What each day's facts have been, by the event log; each day is looked up once."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._instance = instance
        self._versions: dict[date, Sequence[tuple[int, str | None]]] = {}

    def differs(self, day: date, since: int) -> bool:
        """Tell whether a day's facts are others now than they were at a position of the event log.

        A day that had none then differs, and so does one that was materialized before versions were kept.
        """
        versions = self._versions_of(day)
        before = next((version for position, version in versions if position <= since), None)
        return before is None or versions[0][1] != before

    def _versions_of(self, day: date) -> Sequence[tuple[int, str | None]]:
        """List where a day was materialized and with which facts, the newest first."""
        if day not in self._versions:
            of_day = dg.AssetRecordsFilter(asset_key=FACTS, asset_partitions=[str(day)])
            records = self._instance.fetch_materializations(of_day, limit=_MOST_MATERIALIZATIONS).records
            self._versions[day] = [(record.storage_id, _version(record)) for record in records]
        return self._versions[day]


def _version(record: dg.EventLogRecord) -> str | None:
    materialization = record.asset_materialization
    found = materialization.metadata.get(FACTS_VERSION_KEY) if materialization else None
    return str(found.value) if found is not None else None
