"""Synthesise the CloudFormation templates.

`python -m infra.app --environment dev --account 123456789012 --out cdk.out`.

Needs Node 22 or newer, named by `JSII_NODE` or on PATH (the CDK's own code is JavaScript).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import aws_cdk as cdk

from cdap.config import load_environment, load_sources
from infra.airflow import AirflowStack
from infra.platform import PlatformStack


def build(environment_name: str, account: str, config: Path, out: Path, image: str) -> cdk.App:
    """The app; `synth()` writes `<stack>.template.json` for each stack into `out`.

    Raises:
        cdap.errors.ConfigurationError: the environment or a source is wrong; file, line and field are named.
    """
    environment = load_environment(config, environment_name)
    app = cdk.App(outdir=str(out), analytics_reporting=False)
    platform = PlatformStack(
        app, "cdap-platform", environment=environment, sources=load_sources(config), account=account
    )
    if "airflow" in environment.stacks:
        AirflowStack(app, "cdap-airflow", platform=platform, environment=environment, account=account, image=image)
    return app


def main() -> None:
    """Command line of the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--environment", required=True)
    parser.add_argument("--account", required=True)
    parser.add_argument("--image", default="cdap:latest", help="The project's image, for Airflow's containers")
    parser.add_argument("--config", type=Path, default=Path(__file__).parent.parent / "config")
    parser.add_argument("--out", type=Path, default=Path("cdk.out"))
    arguments = parser.parse_args()
    build(arguments.environment, arguments.account, arguments.config, arguments.out, arguments.image).synth()


if __name__ == "__main__":
    main()
