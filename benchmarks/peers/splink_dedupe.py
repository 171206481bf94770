"""Run by the peers' environment: `splink_dedupe.py RECORDS.parquet OUT_FOLDER COLUMN...`.

Splink after the examples of its documentation ("Linking a dataset of real historical persons", "Deduplicating the
febrl3 dataset"), with rules of our own where a file has other columns than those: comparisons of its library,
blocking rules of two columns, u by random sampling, m by expectation-maximisation of two blocking rules, connected
components at a threshold.
"""

import json
import logging
import sys
import time
from pathlib import Path

import duckdb
import splink.comparison_library as cl
from splink import DuckDBAPI, Linker, SettingsCreator, block_on

THRESHOLDS = (0.95, 0.99)
MANY_RECORDS, PAIRS_A_RECORD = 200_000, 10.0
FREQUENT = {"term_frequency_adjustments": True}
COMPARISONS = {
    "middle_name": lambda: cl.NameComparison("middle_name"),
    "birth_date": lambda: cl.DateOfBirthComparison("birth_date", input_is_string=True),
    "birth_year": lambda: cl.DamerauLevenshteinAtThresholds("birth_year", 1),
    "email": lambda: cl.EmailComparison("email"),
    "phone": lambda: cl.DamerauLevenshteinAtThresholds("phone", [1, 2]),
    "street": lambda: cl.JaroWinklerAtThresholds("street", [0.9, 0.8]),
    "city": lambda: cl.ExactMatch("city").configure(**FREQUENT),
    "postcode": lambda: cl.LevenshteinAtThresholds("postcode", [1, 2]),
    "gender": lambda: cl.ExactMatch("gender"),
    "id": lambda: cl.DamerauLevenshteinAtThresholds("id", [1, 2]),
    "birth_place": lambda: cl.ExactMatch("birth_place").configure(**FREQUENT),
    "occupation": lambda: cl.ExactMatch("occupation").configure(**FREQUENT),
    "state": lambda: cl.ExactMatch("state"),
}
BLOCKING = (
    ("substr(first_name,1,3)", "substr(last_name,1,4)"), ("last_name", "birth_date"), ("first_name", "birth_date"),
    ("postcode", "first_name"), ("postcode", "last_name"), ("birth_date", "birth_place"),
    ("substr(postcode,1,3)", "birth_date"), ("substr(postcode,1,3)", "first_name"),
    ("substr(postcode,1,3)", "last_name"),
    ("substr(first_name,1,2)", "substr(last_name,1,2)", "substr(birth_date,1,4)"),
    ("first_name", "birth_year"), ("last_name", "birth_year"), ("first_name", "city"), ("last_name", "city"),
    ("email",), ("phone",), ("id",),
)  # fmt: skip
CERTAIN = (("first_name", "last_name", "birth_date"), ("birth_date", "postcode"), ("email",), ("id",),
           ("first_name", "last_name", "street"), ("first_name", "last_name", "birth_year", "birth_place"),
           ("first_name", "last_name", "postcode"))  # fmt: skip
TRAINING = (("first_name", "last_name"), ("birth_date",), ("email",), ("postcode",), ("birth_year", "last_name"),
            ("city", "first_name"))  # fmt: skip


def _there(rules: tuple[tuple[str, ...], ...], columns: list[str]) -> list[tuple[str, ...]]:
    return [
        rule
        for rule in rules
        if all(part.removeprefix("substr(").split(",")[0].rstrip(")") in columns for part in rule)
    ]


def _affordable(db: duckdb.DuckDBPyConnection, rules: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Of many records without the rules of large blocks, which grow with the square of their number."""
    (records,) = db.sql("select count(*) from records").fetchall()[0]
    if records <= MANY_RECORDS:
        return rules
    kept = []
    for rule in rules:
        there = " and ".join(f"{part} is not null" for part in rule)
        blocks = f"select count(*)::double as c from records where {there} group by {', '.join(rule)}"  # noqa: S608
        (pairs,) = db.sql(f"select coalesce(sum(c * (c - 1) / 2), 0) from ({blocks})").fetchall()[0]  # noqa: S608
        if pairs <= PAIRS_A_RECORD * records:
            kept.append(rule)
    return kept


def main(records: str, out: Path, columns: list[str]) -> None:
    logging.disable(logging.WARNING)
    db = duckdb.connect()
    db.execute("set threads = 2")
    db.execute(f"create view records as from read_parquet('{records}')")
    rows = db.sql("select *, first_name || ' ' || last_name as both_names from records")
    api = DuckDBAPI(connection=db)
    linker = Linker(
        api.register(rows.to_arrow_table()),
        SettingsCreator(
            link_type="dedupe_only",
            blocking_rules_to_generate_predictions=[
                block_on(*rule) for rule in _affordable(db, _there(BLOCKING, columns))
            ],
            comparisons=[
                cl.ForenameSurnameComparison("first_name", "last_name", forename_surname_concat_col_name="both_names"),
                *(make() for name, make in COMPARISONS.items() if name in columns),
            ],
        ),
    )
    training = linker.training
    training.estimate_probability_two_random_records_match(
        [block_on(*rule) for rule in _there(CERTAIN, columns)[:3]], recall=0.7
    )
    training.estimate_u_using_random_sampling(max_pairs=1e6, seed=2)
    for rule in _there(TRAINING, columns)[:2]:
        training.estimate_parameters_using_expectation_maximisation(
            block_on(*rule), estimate_without_term_frequencies=True
        )
    began = time.perf_counter()
    found = linker.inference.predict()
    pairs = found.as_duckdbpyrelation().shape[0]
    once: float | None = None
    for threshold in THRESHOLDS:
        clusters = linker.clustering.cluster_pairwise_predictions_at_threshold(
            found, threshold_match_probability=threshold
        )
        clusters.as_duckdbpyrelation().select("unique_id, cluster_id as customer_id").write_csv(
            str(out / f"splink_{threshold}.csv")
        )
        once = once or time.perf_counter() - began
    told = {"pairs": pairs, "predict_and_cluster_seconds": once}
    (out / "splink.json").write_text(json.dumps(told), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
