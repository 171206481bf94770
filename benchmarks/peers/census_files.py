"""Run by the peers' environment: writes files of pseudopeople's sample population, each record with its person.

pseudopeople (Institute for Health Metrics and Evaluation) simulates the households of a town and what census, tax forms
and social security of the United States write of them, with their errors: https://pseudopeople.readthedocs.io
"""

import sys
from pathlib import Path

import pandas as pd
import pseudopeople as pp

YEAR, SEED = 2020, 5
MAILING = "mailing_address_"
NAMES = {"middle_initial": "middle_name", "sex": "gender", "race_ethnicity": "race", "date_of_birth": "birth_date"}
COLUMNS = ["source", "person_id", "household_id", "first_name", "middle_name", "last_name", "birth_date", "street",
           "city", "postcode", "gender", "race", "ssn"]  # fmt: skip


def _records(source: str, rows: pd.DataFrame) -> pd.DataFrame:
    """One form of records for all of them."""
    rows = rows.rename(columns={"simulant_id": "person_id", **NAMES})
    rows.columns = [name.removeprefix(MAILING) for name in rows.columns]
    rows = rows.astype(object).where(rows.notna(), None)
    rows["source"] = source
    if "street_name" in rows:
        parts = rows[["street_number", "street_name", "unit_number"]].fillna("").astype(str)
        rows["street"] = parts.agg(" ".join, axis=1).str.strip().replace("", None)
        if "po_box" in rows:
            rows["street"] = rows["street"].fillna(rows["po_box"].map(lambda box: box and f"po box {box}"))
        rows["postcode"] = rows["zipcode"]
    if source == "social security":
        # Year first there, month first elsewhere.
        year_first = rows["birth_date"].astype(str).str.replace(r"^(\d{4})(\d{2})(\d{2})$", r"\2/\3/\1", regex=True)
        rows["birth_date"] = year_first.where(rows["birth_date"].notna(), None)
    return rows.reindex(columns=COLUMNS)


def main(folder: Path) -> None:
    census = _records("census", pp.generate_decennial_census(seed=SEED, year=YEAR))
    later = _records("later census", pp.generate_decennial_census(seed=SEED + 1, year=YEAR + 10))
    employers = _records("w2", pp.generate_taxes_w2_and_1099(seed=SEED, year=YEAR))
    returns = _records("1040", pp.generate_taxes_1040(seed=SEED, year=YEAR))
    security = pp.generate_social_security(seed=SEED)
    security = _records("social security", security[security.event_type == "creation"])
    nutrition = _records("wic", pp.generate_women_infants_and_children(seed=SEED, year=YEAR))
    again = _records("census again", pp.generate_decennial_census(seed=SEED + 50, year=YEAR))
    undated = pd.concat([census, again]).drop(columns="birth_date")
    files = {
        "census_and_employers": pd.concat([census, employers]),
        "two_censuses": pd.concat([census, later]),
        "census_without_dates": undated,
        "all_forms": pd.concat([census, employers, returns, security, nutrition]),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in files.items():
        shuffled = rows[rows.person_id.notna()].sample(frac=1, random_state=1).reset_index(drop=True)
        shuffled.insert(0, "unique_id", [f"r{number:06}" for number in range(len(shuffled))])
        text = shuffled.astype(object).where(shuffled.notna(), None)
        text.map(lambda value: None if value is None else str(value)).to_parquet(folder / f"{name}.parquet")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
