"""Arguments of Glue jobs, as the job and as its script see them."""

from __future__ import annotations

import sys

import pytest

from localcloud.base.service import AwsError
from localcloud.engines.spark.library.awsglue.utils import GlueArgumentError, getResolvedOptions
from localcloud.services.glue.job_arguments import check_arguments, script_arguments


def test_special_parameters_do_not_reach_the_script() -> None:
    wanted = script_arguments(
        {"--day": "2024-01-01", "--enable-metrics": "", "--TempDir": "s3://b/t", "--extra-jars": "s3://b/1.jar, s3://b/2.jar",
         "--extra-py-files": "s3://b/m.py", "--conf": "spark.a=1 --conf spark.b=x=y"}
    )  # fmt: skip
    assert wanted.words == ("--day", "2024-01-01", "--TempDir", "s3://b/t")
    assert wanted.jars == ("s3://b/1.jar", "s3://b/2.jar") and wanted.python_files == ("s3://b/m.py",)
    assert wanted.settings == ("spark.a=1", "spark.b=x=y")


@pytest.mark.parametrize(
    "arguments",
    [{"--enable-glue-datacatalog": "true"}, {"--job-language": "scala"}, {"--datalake-formats": "iceberg"}],
)
def test_what_would_be_ignored_is_refused(arguments: dict[str, str]) -> None:
    with pytest.raises(AwsError, match=next(iter(arguments))):
        check_arguments(arguments)


def test_what_is_switched_off_is_not_refused() -> None:
    check_arguments({"--enable-glue-datacatalog": "false", "--job-bookmark-option": "job-bookmark-disable"})


def test_options_are_resolved_from_the_arguments() -> None:
    args = ["script.py", "--JOB_NAME", "nightly", "--day", "2024-01-01", "--with-dash=x", "--other", "1"]
    assert getResolvedOptions(args, ["day", "with-dash"]) == {
        "day": "2024-01-01", "with_dash": "x", "JOB_NAME": "nightly",
    }  # fmt: skip
    with pytest.raises(GlueArgumentError, match="--country"):
        getResolvedOptions(args, ["country"])
    assert "awsglue" not in sys.modules
