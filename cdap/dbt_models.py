"""The dbt models that follow from `config/` alone, as SQL and YAML text.

A staging model a table, `int_<source>__identity_records` for a source whose tables speak of persons, their union
`int_identity_records`, and of the rules in `config/identity.yaml` `customer_golden_values`. A model that stands in the
project written by hand wins over the one that would be made: then only the others are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from cdap import golden_model
from cdap.config import Column, PersonMapping, Source, Table
from cdap.config.column_types import redshift_type
from cdap.dbt_runs import run_dbt
from cdap.identity.config import IdentityConfig
from cdap.sql import identifier

MADE = "Made from config/sources by `cdap sources generate`: change the source's file and run it again."
MADE_OF_RULES = "Made from config/identity.yaml by `cdap sources generate`: change its rules and run it again."
FOLDER = "generated"
UNION = "int_identity_records"

# What int_identity_records says of each column; the order is the order of its columns.
RECORD_COLUMNS = {
    "record_key": "Key over all sources, `<source>.<table>:<key>`.",
    "source": "Name of the source.",
    "entity": "Table of the source.",
    "source_id": "The record's key in its source.",
    "first_seen_at": "When the record was made, UTC.",
    "changed_at": "When the record last changed, UTC.",
    "email": "E-mail address in lower case without spaces around it; null when absent.",
    "phone": "Telephone number in E.164; null when absent or not of that form.",
    "account_id": "Account at the enterprise, `<source>:<number>`, by which records of other sources may name it.",
    "first_name": "Given name as typed.",
    "last_name": "Family name as typed.",
    "birth_date": "Date of birth as given.",
    "street": "Street and house number.",
    "city": "Town.",
    "postcode": "Postal code.",
    "country": "ISO 3166-1 alpha-2 code.",
    "has_marketing_consent": "Whether the person agreed to marketing; null where the source does not say.",
}
_KEYS = ["record_key", "source", "entity", "source_id", "first_seen_at", "changed_at"]


@dataclass(frozen=True)
class Model:
    """One model: its layer (`staging`, `intermediate`, `marts`), its name, SQL and properties."""

    layer: str
    name: str
    sql: str
    properties: Mapping[str, Any]

    def path(self, project: Path, suffix: str) -> Path:
        return project / "models" / self.layer / FOLDER / f"{self.name}{suffix}"


def models(sources: Mapping[str, Source], identity: IdentityConfig, project: Path) -> list[Model]:
    """Every model that sources and rules need and that is not written by hand in the project."""
    by_hand = {path.stem for path in project.glob("models/**/*.sql") if path.parent.name != FOLDER}
    wanted: list[Model] = []
    speaking = []
    for source in sources.values():
        wanted += [staging(source, name, table) for name, table in source.tables.items()]
        if any(table.person for table in source.tables.values()):
            wanted.append(identity_records(source))
            speaking.append(source.name)
    if speaking:
        wanted.append(union(speaking))
    wanted.append(golden_values(identity))
    return [model for model in wanted if model.name not in by_hand]


def write(sources: Mapping[str, Source], identity: IdentityConfig, project: Path) -> list[Path]:
    """Writes the models and the properties of the lake's tables; removes those of sources that are gone.

    Returns the files that changed.
    """
    texts: dict[Path, str] = {project / "models" / "lake.yml": _yaml(lake_tables(sources))}
    for model in models(sources, identity, project):
        texts[model.path(project, ".sql")] = model.sql
        texts[model.path(project, ".yml")] = _yaml({"version": 2, "models": [dict(model.properties)]})
    changed = []
    for old in project.glob(f"models/*/{FOLDER}/*"):
        if old not in texts:
            old.unlink()
            changed.append(old)
    for path, text in texts.items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            changed.append(path)
    return sorted(changed)


def refresh(sources: Mapping[str, Source], identity: IdentityConfig, project: Path) -> list[Path]:
    """Writes the models and, when anything changed or there is none, the manifest that Airflow's DAG is rendered from.

    Returns the files that changed. Raises CdapError with what dbt says when it cannot read the project.
    """
    changed = write(sources, identity, project)
    manifest = project / "target" / "manifest.json"
    if changed or not manifest.exists():
        parse(project)
        changed.append(manifest)
    return changed


def parse(project: Path) -> None:
    """Makes `target/manifest.json` anew. Parsing connects to nothing; the profile only has to be complete."""
    placeholders = {f"CDAP_WAREHOUSE_{name}": "none" for name in ("HOST", "USER", "PASSWORD")}
    run_dbt(["parse", "--no-partial-parse"], project, placeholders, "dev", project / "target", quiet=True)


def lake_tables(sources: Mapping[str, Source]) -> dict[str, Any]:
    """The dbt source `lake`: the external tables of checked records."""
    tables = [
        {"name": source.lake_table(name), "description": table.description}
        for source in sources.values()
        for name, table in source.tables.items()
    ]
    description = (
        "External schema over the Glue database of checked records. Each table has the source's columns, typed, the "
        "partition columns `dt` (the day, YYYY-MM-DD) and `load`, and `_extracted_at`."
    )
    lake = {"name": "lake", "schema": "lake", "description": description, "tables": tables}
    return {"version": 2, "sources": [lake]}


def staging(source: Source, name: str, table: Table) -> Model:
    """`stg_<source>__<table>`: the newest version of each record that is not gone, typed."""
    columns = [
        f"cast({identifier(column)} as {_type(contract)}) as {identifier(column)}"
        for column, contract in table.columns.items()
        if column != table.deleted
    ]
    documented = {column: contract.description for column, contract in table.columns.items() if column != table.deleted}
    columns += ["cast(load as varchar(40)) as load_id", "cast(dt as varchar(10)) as dt"]
    documented |= {"load_id": "The load that brought the record.", "dt": "The day it is filed under, YYYY-MM-DD."}
    kept = ["copy_number = 1", *([f"not {identifier(table.deleted)}"] if table.deleted else [])]
    newest = [f"{identifier(table.newest_by)} desc"] if table.newest_by else []
    sql = _lines(
        f"-- {MADE}",
        "with",
        "",
        "source as (",
        "",
        "    select records.*",
        f"    from {{{{ source('lake', '{source.lake_table(name)}') }}}} as records",
        *_of_loads(source, table),
        "",
        "),",
        "",
        "versions as (",
        "",
        "    select",
        "        *,",
        "        row_number() over (",
        f"            partition by {', '.join(identifier(column) for column in table.key)}",
        f"            order by {', '.join([*newest, 'load desc'])}",
        "        ) as copy_number",
        "    from source",
        "",
        "),",
        "",
        "renamed as (",
        "",
        "    select",
        *(f"        {column}," for column in columns[:-1]),
        f"        {columns[-1]}",
        "    from versions",
        f"    where {' and '.join(kept)}",
        "",
        ")",
        "",
        "select * from renamed",
    )
    title = f"stg_{source.name}__{name}"
    return Model("staging", title, sql, _properties(title, table.description, documented))


def _of_loads(source: Source, table: Table) -> Iterator[str]:
    if table.load == "modified_window":
        # All loads together: a record that has changed again has left its old day, and an earlier load still has it.
        yield f"    where records.load in ({{{{ claimed_loads('{source.name}') }}}})"
        return
    yield "    inner join {{ ref('stg_ops__current_loads') }} as loads"
    yield "        on"
    yield "            records.dt = loads.dt"
    yield "            and records.load = loads.load_id"
    yield f"            and loads.source = '{source.name}'"
    if table.load == "snapshot":
        yield "            and loads.is_snapshot"
        yield f"    where {{{{ is_newest_load('{source.name}', 'records.load') }}}}"


def identity_records(source: Source) -> Model:
    """`int_<source>__identity_records`: the source's records of persons in the one shape."""
    speaking = {name: table for name, table in source.tables.items() if table.person}
    selects = [_records(source, name, table) for name, table in speaking.items()]
    body = "\n\nunion all\n\n".join(selects)
    name = f"int_{source.name}__identity_records"
    description = f"Records of {source.name} that stand for a person, in the shape of {UNION}."
    sql = f"-- {MADE}\n{{{{ config(materialized='view', bind=false) }}}}\n\n{body}\n"
    return Model("intermediate", name, sql, _properties(name, description, RECORD_COLUMNS))


def _records(source: Source, name: str, table: Table) -> str:
    person = table.person
    assert person is not None
    key = " || '|' || ".join(f"cast({_of(column)} as varchar(255))" for column in table.key)
    values = {
        "record_key": f"'{source.name}.{name}:' || {key}",
        "source": f"cast('{source.name}' as varchar(63))",
        "entity": f"cast('{name}' as varchar(63))",
        "source_id": key if len(table.key) == 1 else f"cast({key} as varchar(255))",
        "first_seen_at": f"cast({_of(person.first_seen_at)} as timestamp)",
        "changed_at": f"cast({_of(person.changed_at)} as timestamp)",
        "email": f"nullif(lower(trim({_of(person.email)})), '')" if person.email else "cast(null as varchar(320))",
        "phone": _phone(person),
        "account_id": _account(source, key, person),
        **{part: _text(getattr(person, part)) for part in ("first_name", "last_name")},
        "birth_date": _of(person.birth_date) if person.birth_date else "cast(null as date)",
        **{part: _text(getattr(person, part)) for part in ("street", "city", "postcode")},
        "country": _of(person.country) if person.country else "cast(null as varchar(2))",
        "has_marketing_consent": _consent(person),
    }
    columns = ",\n".join(f"    {value} as {column}" for column, value in values.items())
    region = _of(person.country) if person.country else "cast(null as varchar(2))"
    return (
        f"select\n{columns}\nfrom {{{{ ref('stg_{source.name}__{name}') }}}} as records\n"
        f"left join {{{{ ref('phone_regions') }}}} as regions on {region} = regions.region"
    )


def _of(column: str) -> str:
    """A column of the records, quoted: a source may call it by a reserved word."""
    return f"records.{identifier(column)}"


def _phone(person: PersonMapping) -> str:
    numbers = [
        f"{{{{ to_e164('{_of(column)}', 'regions.calling_code', 'regions.trunk_prefix', "
        "'regions.international_prefix') }}"
        for column in person.phone
    ]
    if not numbers:
        return "cast(null as varchar(40))"
    return numbers[0] if len(numbers) == 1 else f"coalesce({', '.join(numbers)})"


def _account(source: Source, key: str, person: PersonMapping) -> str:
    link = person.account_link
    if link is None:
        return f"'{source.name}:' || {key}"
    return f"'{link.source}:' || nullif(trim({_of(link.column)}), '')"


def _consent(person: PersonMapping) -> str:
    if person.marketing_consent:
        return _of(person.marketing_consent)
    return f"not {_of(person.deny_marketing)}" if person.deny_marketing else "cast(null as boolean)"


def _text(column: str | None) -> str:
    return f"nullif(trim({_of(column)}), '')" if column else "cast(null as varchar(300))"


def union(sources: list[str]) -> Model:
    """`int_identity_records`: the records of persons of every source."""
    body = "\n\nunion all\n\n".join(
        f"select * from {{{{ ref('int_{source}__identity_records') }}}}"  # noqa: S608 - checked names
        for source in sorted(sources)
    )
    sql = f"-- {MADE}\n{{{{ config(dist='record_key', sort='record_key') }}}}\n\n{body}\n"
    description = (
        "Every record that stands for a person, of every source in one shape. Identifiers are normalised in their "
        "spelling only; whether a value says anything about a person (junk, shared) is for identity resolution."
    )
    properties = dict(_properties(UNION, description, RECORD_COLUMNS))
    properties["data_tests"] = [{"no_nulls": {"arguments": {"columns": _KEYS}}}]
    properties["columns"][0]["data_tests"] = ["unique"]
    return Model("intermediate", UNION, sql, properties)


def golden_values(identity: IdentityConfig) -> Model:
    """`customer_golden_values`: of each attribute of a customer the value that survives, and where it comes from."""
    properties = dict(_properties(golden_model.NAME, golden_model.DESCRIPTION, golden_model.COLUMNS))
    properties["data_tests"] = [{"no_nulls": {"arguments": {"columns": list(golden_model.COLUMNS)}}}]
    sql = f"-- {MADE_OF_RULES}\n{golden_model.golden_sql(identity.golden)}"
    return Model("marts", golden_model.NAME, sql, properties)


def _properties(name: str, description: str, columns: Mapping[str, str]) -> dict[str, Any]:
    documented = [{"name": column, "description": text} for column, text in columns.items()]
    return {"name": name, "description": description, "columns": documented}


def _type(contract: Column) -> str:
    if contract.type == "string":
        return f"varchar({contract.max_length * 4 if contract.max_length else 65535})"
    return redshift_type(contract.type).lower()


def _lines(*lines: str) -> str:
    return "\n".join(lines) + "\n"


class _Indented(yaml.SafeDumper):
    """Lists are indented under their name, as the other properties files have it."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _yaml(document: Mapping[str, Any]) -> str:
    dumped = yaml.dump(dict(document), Dumper=_Indented, sort_keys=False, allow_unicode=True, width=110)
    return f"# {MADE}\n{dumped}"
