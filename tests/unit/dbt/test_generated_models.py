"""The models that follow from a source's file alone."""

from __future__ import annotations

import shutil
from pathlib import Path

import yaml

from cdap import dbt_models
from cdap.config import load_source, load_sources
from cdap.identity import load_identity_config
from cdap.settings import settings

PROJECT = Path(__file__).parents[3] / "dbt_project"
SOURCES = load_sources(settings().config_dir)
IDENTITY = load_identity_config(settings().config_dir / "identity.yaml")

NEW = """
name: support
description: Tickets.
kind: dms
database: support
schema: public
tables:
  user:
    description: One row a person who wrote.
    load: snapshot
    key: [group, number]
    changed_at: changed
    person: {first_seen_at: made, changed_at: changed, email: mail, last_name: name}
    columns:
      group: {type: string, required: true, description: Where.}
      number: {type: bigint, required: true, description: Who.}
      mail: {type: string, max_length: 100, description: E-mail.}
      name: {type: string, description: Name.}
      made: {type: timestamp, required: true, description: When made.}
      changed: {type: timestamp, required: true, description: When changed.}
"""


def project(folder: Path) -> Path:
    copy = folder / "dbt_project"
    shutil.copytree(PROJECT, copy, ignore=shutil.ignore_patterns("target", "logs"))
    return copy


def test_the_committed_models_are_those_of_the_sources(tmp_path: Path) -> None:
    assert dbt_models.write(SOURCES, IDENTITY, project(tmp_path)) == []


def test_a_source_is_added_and_taken_away_by_its_file_alone(tmp_path: Path) -> None:
    copy = project(tmp_path)
    file = tmp_path / "support.yaml"
    file.write_text(NEW)
    changed = {path.name for path in dbt_models.write({**SOURCES, "support": load_source(file)}, IDENTITY, copy)}
    assert changed == {
        "stg_support__user.sql", "stg_support__user.yml", "int_support__identity_records.sql",
        "int_support__identity_records.yml", "int_identity_records.sql", "lake.yml",
    }  # fmt: skip
    records = (copy / "models/intermediate/generated/int_support__identity_records.sql").read_text()
    assert "'support.user:' || cast(records.\"group\" as varchar(255)) || '|' || cast(records.\"number\"" in records
    union = (copy / "models/intermediate/generated/int_identity_records.sql").read_text()
    assert union.count("union all") == 2
    documented = yaml.safe_load((copy / "models/staging/generated/stg_support__user.yml").read_text())["models"][0]
    assert [column["name"] for column in documented["columns"]][:3] == ["group", "number", "mail"]

    dbt_models.write(SOURCES, IDENTITY, copy)
    assert not (copy / "models/staging/generated/stg_support__user.sql").exists()
    assert dbt_models.write(SOURCES, IDENTITY, copy) == []


def test_a_model_written_by_hand_is_not_made(tmp_path: Path) -> None:
    names = {model.name for model in dbt_models.models(SOURCES, IDENTITY, PROJECT)}
    assert "stg_shop__customers" not in names
    assert {"stg_crm__contact", "stg_crm__account", "int_identity_records"} <= names
