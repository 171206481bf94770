"""`python -m demo.crm FOLDER --port N`: the CRM's service over the store in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from aiohttp import web

from demo.crm.service import Salesforce, Settings
from demo.crm.store import Store

HOST = "127.0.0.1"


def main(
    folder: Annotated[Path, typer.Argument(help="Folder of the store")],
    port: Annotated[int, typer.Option(help="Port to listen on")],
    token_seconds: Annotated[float, typer.Option(help="Seconds that an access token lives")] = 7200,
    daily_requests: Annotated[int, typer.Option(help="Calls that are answered a day")] = 100_000,
) -> None:
    """Serve until ended."""
    settings = Settings(token_seconds=token_seconds, daily_requests=daily_requests)
    web.run_app(Salesforce(Store(folder), settings).application(), host=HOST, port=port, print=lambda _: None)


if __name__ == "__main__":
    typer.run(main)
