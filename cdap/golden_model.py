"""The dbt model of golden values, from the rules of survivorship in `config/identity.yaml`."""

from __future__ import annotations

from cdap.identity.config import Golden
from cdap.sql import literal

NAME = "customer_golden_values"
DESCRIPTION = (
    "Of each customer and attribute the value that survives by its rule in config/identity.yaml, with the record that "
    "it comes from. An address is of one record as a whole, so its value is that record's key."
)
COLUMNS = {
    "customer_id": "The customer.",
    "attribute": "Name of the attribute.",
    "value": "The value as text; of `address` the key of the record whose street, city and postcode it is.",
    "rule": "Why it survived: most_recent, most_trusted, most_frequent, longest or strictest.",
    "record_key": "The record that it comes from.",
    "source": "The record's source.",
    "changed_at": "When the record last changed, UTC.",
}
# Attributes whose text is not the column itself.
_VALUES = {
    "birth_date": "cast(birth_date as varchar(10))",
    "address": "address_record_key",
    "has_marketing_consent": "case has_marketing_consent when true then 'true' when false then 'false' end",
}
_ADDRESS_LENGTH = "len(coalesce(street, '') || coalesce(city, '') || coalesce(postcode, ''))"

_BEGIN = """{{ config(dist='customer_id', sort='customer_id') }}

with

members as (

    select
        customer_id,
        record_key
    from {{ source('identity', 'current_members') }}

),

records as (

    select
        members.customer_id,
        records.*,
        count(*) over (partition by records.email) as email_records,
        count(*) over (partition by records.phone) as phone_records
    from {{ ref('int_identity_records') }} as records
    inner join members on records.record_key = members.record_key

),

-- A value that half the world shares, or that forms are filled with, is not anybody's.
credible as (

    select
        customer_id,
        record_key,
        source,
        changed_at,
        first_name,
        last_name,
        street,
        city,
        postcode,
        country,
        has_marketing_consent,
        case when email_records <= {{ var('shared_contact_limit') }} then email end as email,
        case when phone_records <= {{ var('shared_contact_limit') }} then phone end as phone,
        case when birth_date > '1900-01-01' then birth_date end as birth_date,
        case when street is not null or postcode is not null then record_key end as address_record_key
    from records

),

weighed as (

"""
_END = """
),

ranked as (

    select
        *,
        row_number() over (
            partition by customer_id, attribute
            order by weight desc, changed_at desc, record_key
        ) as place
    from weighed
    where value is not null

)

select
    customer_id,
    attribute,
    value,
    rule,
    record_key,
    source,
    changed_at
from ranked
where place = 1
"""


def golden_sql(golden: Golden) -> str:
    """The model's SQL, one row a customer and attribute."""
    weighed = [_weighed(golden, name, rule) for name, rule in golden if name != "trusted"]
    return _BEGIN + "\n    union all\n\n".join(weighed) + _END


def _weighed(golden: Golden, name: str, rule: str) -> str:
    value = _VALUES.get(name, name)
    weight = {
        "most_recent": "0",
        "most_trusted": _trust(golden),
        "most_frequent": f"count(*) over (partition by customer_id, {_same(name, value)})",
        "longest": _ADDRESS_LENGTH if name == "address" else f"len({value})",
        "strictest": f"case when {name} then 0 else 1 end",
    }[rule]
    return (
        "    select\n"
        "        customer_id,\n"
        f"        cast({literal(name)} as varchar(32)) as attribute,\n"
        f"        cast({value} as varchar(1024)) as value,\n"
        f"        cast({literal(rule)} as varchar(32)) as rule,\n"
        "        record_key,\n"
        "        source,\n"
        "        changed_at,\n"
        f"        cast({weight} as bigint) as weight\n"
        "    from credible\n"
    )


def _same(name: str, value: str) -> str:
    """What two records have to agree in to have one value."""
    return "street, city, postcode" if name == "address" else value


def _trust(golden: Golden) -> str:
    last = len(golden.trusted)
    cases = " ".join(f"when {literal(source)} then {last - place}" for place, source in enumerate(golden.trusted))
    return f"case source {cases} else 0 end" if cases else "0"
