"""`python -m conformance [SUITE]`: passes by suite, and what fails that did not fail before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from conformance import amazon_provider, dbt_redshift, great_expectations
from conformance.peers import KNOWN_FAILURES, Results, known_failures

SUITES: dict[str, Callable[[list[str], int], Results]] = {
    dbt_redshift.NAME: dbt_redshift.run,
    great_expectations.NAME: great_expectations.run,
    amazon_provider.NAME: amazon_provider.run,
}


def main(
    suite: Annotated[str | None, typer.Argument(help=f"One of {', '.join(SUITES)}; all by default.")] = None,
    only: Annotated[list[str] | None, typer.Option(help="Only these files or tests of the suite.")] = None,
    jobs: Annotated[int, typer.Option(help="Tests side by side.")] = 2,
    write: Annotated[
        bool, typer.Option("--write", help="Add new failures to the list, to be given a reason; take mended ones off.")
    ] = False,
) -> None:
    """Run peers' suites against the local cloud; fails when a test fails that is not on the list."""
    if suite is not None and suite not in SUITES:
        raise typer.BadParameter(f"no such suite; there are {', '.join(SUITES)}")
    console, broken = Console(highlight=False), False
    shown = Table("suite", "tests", "passed", "skipped", "known failures", "new failures", "mended")
    for name in [suite] if suite else SUITES:
        results, known = SUITES[name](only or [], jobs), known_failures(name)
        new, mended = sorted(results.failed - known.keys()), sorted(results.passed & known.keys())
        counts = (results.total, len(results.passed), len(results.skipped), len(results.failed & known.keys()))
        shown.add_row(name, *(str(count) for count in (*counts, len(new), len(mended))))
        for test in new:
            console.print(f"new failure: {test}", soft_wrap=True, markup=False)
        for test in mended:
            console.print(
                f"passes now, take it off {KNOWN_FAILURES.name}/{name}.txt: {test}", soft_wrap=True, markup=False
            )
        broken = broken or bool(new) or bool(mended)
        if write and (new or mended):
            file = KNOWN_FAILURES / f"{name}.txt"
            lines = file.read_text(encoding="utf-8").splitlines()
            kept = [line for line in lines if line.split("  #")[0] not in mended]
            file.write_text("\n".join([*kept, *(f"{test}  # " for test in new)]) + "\n", encoding="utf-8")
    console.print(shown)
    raise typer.Exit(1 if broken else 0)


if __name__ == "__main__":
    typer.run(main)
