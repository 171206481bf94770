"""The only place of the platform that reads its environment.

AWS itself (endpoint, region, credentials) is found by the SDK's own settings and is not repeated here; what the stack
made is found in Parameter Store, see `cdap.parameters`.
"""

from __future__ import annotations

from datetime import date
from functools import cache
from pathlib import Path

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

PROJECT_DIR = Path(__file__).resolve().parents[1]


class Settings(BaseSettings):
    """Settings by environment variables `CDAP_<NAME>`.

    `daily_from` is the first midnight at which the sources' day that ended runs by itself; not given: the next one. It
    does not hold back backfills. `project_dir` is the checkout or image the code runs from; the other folders are its
    own unless given.
    """

    model_config = SettingsConfigDict(env_prefix="CDAP_", extra="ignore", frozen=True)

    environment: str = "dev"
    daily_from: date | None = None
    project_dir: Path = PROJECT_DIR
    config_dir: Path = PROJECT_DIR / "config"
    migrations_dir: Path = PROJECT_DIR / "migrations"
    dbt_project_dir: Path = PROJECT_DIR / "dbt_project"
    expectations_dir: Path = PROJECT_DIR / "expectations"
    parameters_prefix: str = "/cdap/"
    airflow_url: str = "http://127.0.0.1:8080"
    airflow_user: str = "admin"
    airflow_password: SecretStr | None = None


@cache
def settings() -> Settings:
    """The settings of this process, read once."""
    return Settings()
