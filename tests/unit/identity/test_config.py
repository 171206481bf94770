"""config/identity.yaml says what it has to say, and an error names file, line and field."""

from __future__ import annotations

from pathlib import Path

import pytest

from cdap.errors import ConfigurationError
from cdap.identity import load_identity_config

PROJECT = Path(__file__).parents[3]


def load(tmp_path: Path, text: str) -> None:
    path = tmp_path / "identity.yaml"
    path.write_text(text)
    load_identity_config(path)


def test_the_projects_own_file_loads() -> None:
    config = load_identity_config(PROJECT / "config" / "identity.yaml")
    assert {"email", "phone", "account_id"} <= config.identifiers.keys()
    assert config.linkage.unique_id == "record_key"
    assert config.linkage.fields.accounts == ("account_id",)


COMPARE = "compare: {email: email}\n"


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        (COMPARE + "identifiers:\n  email:\n    normalize: [trim]\n", 4, "normalize"),
        (COMPARE + "identifiers:\n  email:\n    normalise: [trim, shout]\n", 4, "normalise"),
        (COMPARE + "identifiers:\n  email: {max_records: 1}\n", 3, "max_records"),
        (COMPARE + "identifiers:\n  email: {junk_patterns: ['(']}\n", 3, "no regular"),
        ("compare: {mail: email}\nidentifiers: {}\n", 1, "mail"),
        ("compare: {}\nidentifiers: {}\n", 1, "name at least one column"),
        (COMPARE + "exclusive: [card]\nidentifiers: {}\n", 1, "names card"),
        (COMPARE + "retrain_when_grown: 1\nidentifiers: {}\n", 2, "retrain_when_grown"),
    ],
)
def test_a_mistake_is_named_with_its_line_and_field(tmp_path: Path, text: str, line: int, problem: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        load(tmp_path, text)
    assert str(tmp_path / "identity.yaml") in error.value.doing
    assert f"line {line}" in error.value.found
    assert problem in error.value.found
