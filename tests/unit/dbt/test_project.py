"""What must hold of the dbt project without a warehouse."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import jinja2
import phonenumbers
import pytest
import yaml
from sqlglot import exp, parse_one

PROJECT = Path(__file__).parents[3] / "dbt_project"
MODELS = sorted(PROJECT.glob("models/*/*.sql"))
TABLES = [model for model in MODELS if model.parent.name in ("intermediate", "marts")]


def region_row(region: str) -> dict[str, str]:
    metadata = phonenumbers.PhoneMetadata.metadata_for_region(region)
    assert metadata is not None
    prefixes = (metadata.preferred_international_prefix, metadata.international_prefix)
    return {
        "region": region,
        "calling_code": str(metadata.country_code),
        "trunk_prefix": metadata.national_prefix or "",
        "international_prefix": next((prefix for prefix in prefixes if prefix and prefix.isdigit()), "00"),
    }


def test_the_seed_of_phone_regions_is_what_phonenumbers_knows() -> None:
    with (PROJECT / "seeds" / "phone_regions.csv").open(newline="") as stream:
        seeded = list(csv.DictReader(stream))
    assert seeded == [region_row(region) for region in sorted(phonenumbers.SUPPORTED_REGIONS)]


def properties(model: Path) -> dict[str, Any]:
    document = yaml.safe_load(model.with_suffix(".yml").read_text(encoding="utf-8"))
    (found,) = document["models"]
    assert found["name"] == model.stem
    return dict(found)


def selected_columns(model: Path) -> list[str]:
    """The names of the columns that the model's SQL ends with."""
    template = jinja2.Environment(autoescape=False).from_string(model.read_text(encoding="utf-8"))  # noqa: S701 SQL
    rendered = template.render(
        config=lambda **_: "",
        ref=lambda name: name,
        source=lambda _, name: name,
        var=lambda _: 1,
        is_incremental=lambda: False,
        is_newest_load=lambda *_: "true",
        to_e164=lambda *_: "null",
        most_recent=lambda _: "null",
    )
    return resolved(parse_one(rendered, read="redshift"))


def resolved(query: exp.Expression) -> list[str]:
    ctes = {cte.alias: cte.this for cte in query.args["with_"].expressions} if query.args.get("with_") else {}

    def columns(select: exp.Expression) -> list[str]:
        names: list[str] = []
        for projection in select.selects:
            if isinstance(projection, exp.Star):
                names += columns(ctes[select.args["from_"].this.name])
            else:
                names.append(projection.alias_or_name)
        return names

    return columns(query)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.stem)
def test_every_column_of_a_model_is_described(model: Path) -> None:
    found = properties(model)
    assert found["description"].strip()
    assert [column["name"] for column in found["columns"]] == selected_columns(model)
    assert all(column["description"].strip() for column in found["columns"])


@pytest.mark.parametrize(
    "model", [m for m in MODELS if m.parent.name in ("intermediate", "marts")], ids=lambda m: m.stem
)
def test_every_table_says_how_it_is_distributed_and_sorted(model: Path) -> None:
    text = model.read_text(encoding="utf-8")
    assert "dist=" in text and "sort=" in text


def test_nothing_is_reported_to_dbt_labs() -> None:
    project = yaml.safe_load((PROJECT / "dbt_project.yml").read_text(encoding="utf-8"))
    assert project["flags"]["send_anonymous_usage_stats"] is False


def test_the_profile_holds_no_secret() -> None:
    profile = yaml.safe_load((PROJECT / "profiles.yml").read_text(encoding="utf-8"))
    assert set(profile["cdap"]["outputs"]) == {"dev", "ci", "prod"}
    for output in profile["cdap"]["outputs"].values():
        assert all("env_var(" in output[key] for key in ("host", "port", "user", "password", "sslmode"))
