"""Configuration: what is wrong is named by file, line and field."""

from __future__ import annotations

from pathlib import Path

import pytest

from cdap.config import load_environment, load_source, load_sources
from cdap.errors import ConfigurationError
from cdap.settings import PROJECT_DIR
from tests.unit.cdap.conftest import SOURCE


def write(folder: Path, text: str) -> Path:
    path = folder / "till.yaml"
    path.write_text(text)
    return path


def test_the_projects_own_files_load() -> None:
    sources = load_sources(PROJECT_DIR / "config")
    assert sources
    for name, source in sources.items():
        assert source.name == name
    for name in ("dev", "ci", "prod"):
        assert load_environment(PROJECT_DIR / "config", name).name == name


@pytest.mark.parametrize(
    ("old", "new", "field", "says"),
    [
        ("load: append", "load: cdc", "tables.receipts.load", "not supported yet"),
        ("load: append", "load: sometimes", "tables.receipts.load", "'append'"),
        ("timezone: Europe/Berlin", "timezone: Mars/Olympus", "timezone", "IANA"),
        ("kind: dms", "kind: ftp", "kind", "dms, appflow"),
        ("kind: dms", "kind: dms\ncolour: red", "colour", "no such field"),
        ("window_column: issued_at", "window_column: amount", "tables.receipts.window_column", "date or timestamp"),
        ("window_column: issued_at", "window_column: paid_at", "tables.receipts.window_column", "no column 'paid_at'"),
        ("key: [receipt_id]", "key: [id]", "tables.receipts.key", "no column 'id'"),
        ("key: [receipt_id]", "key: [code]", "tables.receipts.key", "required: true"),
        ("changed_at: updated_at", "changed_at: name", "tables.clerks.changed_at", "not a time"),
        ("type: bigint", "type: bigserial", "tables.receipts.columns.receipt_id.type", "none of"),
        ('"decimal(8,2)"', '"decimal(8,9)"', "tables.receipts.columns.amount.type", "scale"),
        ("min: 0", "min: none", "tables.receipts.columns.amount.min", "not a number"),
        ("born: {type: date", "born: {type: boolean", "tables.clerks.columns.born.min", "no bounds"),
        ("enum: [cash", "max_length: 0, enum: [cash", "tables.receipts.columns.method.max_length", "greater"),
        ("'^[A-Z]+", "'^([A-Z]+", "tables.receipts.columns.code.pattern", "regular expression"),
        ("clerk_id: {type", "dt: {type", "tables.clerks.columns", "partitions"),
    ],
)
def test_an_error_names_file_line_and_field(tmp_path: Path, old: str, new: str, field: str, says: str) -> None:
    text = SOURCE.replace(old, new, 1)
    path = write(tmp_path, text)
    with pytest.raises(ConfigurationError) as raised:
        load_source(path)
    message = str(raised.value)
    lines = enumerate(text.splitlines(), start=1)
    if field.endswith(".columns"):
        # Wrong is the name of one of the columns; the field that holds them starts before.
        wanted = next(number for number, line in lines if "key: [clerk_id]" in line) + 2
    else:
        wanted = next(number for number, line in lines if new.splitlines()[-1] in line)
    assert str(path) in message
    assert f"line {wanted}, field {field}: " in message
    assert says in message


def test_a_field_given_twice_is_refused_at_its_second_line(tmp_path: Path) -> None:
    path = write(tmp_path, SOURCE.replace("kind: dms", "kind: dms\nkind: dms"))
    with pytest.raises(ConfigurationError, match=r"line 5, field kind: given twice"):
        load_source(path)


def test_a_file_that_is_no_yaml_is_refused_with_the_line(tmp_path: Path) -> None:
    path = write(tmp_path, "name: till\ntables: [\n")
    with pytest.raises(ConfigurationError, match=r"line \d, .*not YAML"):
        load_source(path)


def test_a_database_is_not_filtered_by_a_column_that_changes(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"receipts.*immutable columns only"):
        load_source(write(tmp_path, SOURCE.replace("load: append", "load: modified_window")))


def test_every_problem_of_a_file_is_said_at_once(tmp_path: Path) -> None:
    path = write(
        tmp_path, SOURCE.replace("timezone: Europe/Berlin", "timezone: Mars").replace("load: append", "load: cdc")
    )
    with pytest.raises(ConfigurationError) as raised:
        load_source(path)
    assert "field timezone" in str(raised.value)
    assert "field tables.receipts.load" in str(raised.value)


def test_a_name_that_is_not_the_files_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, SOURCE.replace("name: till", "name: cash"))
    with pytest.raises(ConfigurationError, match="not the file's name"):
        load_source(path)


def test_an_environment_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"environments/moon\.yaml"):
        load_environment(tmp_path, "moon")
