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


def test_the_projects_own_rules_load() -> None:
    config = load_identity_config(PROJECT / "config" / "identity.yaml")
    assert {"email", "phone", "account_id"} <= config.identifiers.keys()
    assert config.rules[0].name == "account"


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("identifiers:\n  email:\n    normalize: [trim]\nrules:\n- {name: r, match: [email]}\n", 3, "normalize"),
        ("identifiers:\n  email:\n    normalise: [trim, shout]\nrules:\n- {name: r, match: [email]}\n", 3, "normalise"),
        ("identifiers:\n  email: {max_records: 1}\nrules:\n- {name: r, match: [email]}\n", 2, "max_records"),
        ("identifiers:\n  email: {junk_patterns: ['(']}\nrules:\n- {name: r, match: [email]}\n", 2, "no regular"),
        ("identifiers:\n  email: {}\nrules:\n- {name: r, match: [fax]}\n", 1, "names the field fax"),
        ("identifiers:\n  email: {}\nattributes:\n  city: {}\nrules:\n- {name: r, match: [city]}\n", 1, "max_records"),
        ("identifiers:\n  email: {}\nrules:\n- {name: r, match: [email]}\n- {name: r, match: [email]}\n", 1, "twice"),
        ("identifiers:\n  email: {}\nrules: []\n", 3, "rules"),
    ],
)
def test_a_mistake_is_named_with_its_line_and_field(tmp_path: Path, text: str, line: int, problem: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        load(tmp_path, text)
    assert str(tmp_path / "identity.yaml") in error.value.doing
    assert f"line {line}" in error.value.found
    assert problem in error.value.found
