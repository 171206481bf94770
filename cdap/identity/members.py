"""Which record belongs to which customer, as it is known now."""

from __future__ import annotations

from cdap.identity.protocol import SqlSession


def read_members(warehouse: SqlSession) -> dict[str, str]:
    """Customer id by record key, as identity.current_members has them."""
    rows = warehouse.fetch_all(
        'select record_key, customer_id from "identity".current_members',
        purpose="Reading which records belong to which customer",
    )
    return {str(record_key): str(customer_id) for record_key, customer_id in rows}
