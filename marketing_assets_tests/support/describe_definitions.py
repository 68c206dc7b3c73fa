"""A program that loads the definitions in a process of its own and prints what they are, as JSON.

It knows nothing of the tests, so that it runs beside an installed package too.
"""

import json
import sys
from typing import Any

import dagster as dg

asked_network: list[str] = []
sys.addaudithook(
    lambda event, _: asked_network.append(event) if event in {"socket.connect", "socket.getaddrinfo"} else None
)


def describe() -> dict[str, Any]:
    """Load and describe the definitions."""
    import marketing_assets
    from marketing_assets.definitions import defs

    dg.Definitions.validate_loadable(defs)
    graph = defs.resolve_asset_graph()
    return {
        "package": marketing_assets.__file__,
        "assets": {key.to_user_string(): _describe_asset(graph.get(key)) for key in graph.get_all_asset_keys()},
        "checks": {
            f"{key.asset_key.to_user_string()}.{key.name}": _describe_check(graph.get_check_spec(key))
            for key in graph.asset_check_keys
        },
        "modules": sorted(sys.modules),
        "network": asked_network,
    }


def _describe_asset(node: Any) -> dict[str, Any]:
    definition = node.assets_def
    retry = definition.op.retry_policy
    schema = node.metadata.get("dagster/column_schema", dg.TableSchema([]))
    return {
        "group": node.group_name,
        "deps": sorted(key.to_user_string() for key in node.parent_keys),
        "kinds": sorted(node.kinds),
        "io_manager": node.io_manager_key,
        "pools": sorted(node.pools),
        "owners": node.owners,
        "tags": sorted(tag for tag in node.tags if not tag.startswith("dagster/")),
        "partitions": str(node.partitions_def),
        "backfill": str(node.backfill_policy),
        "retry": [retry.max_retries, retry.delay, retry.backoff.name, retry.jitter.name],
        "description": node.description,
        "key_columns": node.metadata.get("key_columns"),
        "table_name": node.metadata.get("dagster/table_name"),
        "columns": [
            [column.name, column.type, column.description, column.constraints.nullable] for column in schema.columns
        ],
    }


def _describe_check(spec: Any) -> dict[str, Any]:
    return {"blocking": spec.blocking, "partitions": str(spec.partitions_def), "description": spec.description}


if __name__ == "__main__":
    json.dump(describe(), sys.stdout)
