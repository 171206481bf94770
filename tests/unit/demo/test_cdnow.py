"""Reading a CDNOW file."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from demo.cdnow import Purchase, purchases
from demo.shop import ShopError


def test_lines_are_read_with_their_money_as_it_stands(tmp_path: Path) -> None:
    file = tmp_path / "purchases.txt"
    file.write_text(" customer_id  date number_of_cds  dollar_value\n 00001 19970101  1   11.77\n 2 19970112 5 77.1\n")
    assert list(purchases(file)) == [
        Purchase(1, date(1997, 1, 1), 1, "11.77"),
        Purchase(2, date(1997, 1, 12), 5, "77.1"),
    ]


@pytest.mark.parametrize(
    "line",
    [
        "1 19970101 1",
        "1 19970101 one 2.00",
        "1 19971301 1 2.00",
        "1 1997-01-01 1 2.00",
        "1 19970101 1 -2.00",
        "1 2 3 4 5",
    ],
)
def test_a_malformed_line_is_an_error_that_names_file_and_line(tmp_path: Path, line: str) -> None:
    file = tmp_path / "purchases.txt"
    file.write_text(f"00001 19970101 1 11.77\n{line}\n")
    with pytest.raises(ShopError, match=r"purchases\.txt, line 2: "):
        list(purchases(file))
