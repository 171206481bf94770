"""The stack's names, read from a real Parameter Store."""

from __future__ import annotations

from typing import Any

import pytest

from cdap.errors import ParameterMissingError
from cdap.parameters import parameters


def test_all_pages_of_the_prefix_are_read_and_nothing_else(gateway: Any) -> None:
    ssm = gateway.client("ssm")
    names = {f"/cdap-test/dms/s{number}/task_arn": f"arn:{number}" for number in range(25)}
    names["/cdap-test/lake/bucket"] = "lake"
    for name, value in {**names, "/cdap-tests/lake/bucket": "other"}.items():
        ssm.put_parameter(Name=name, Value=value, Type="String", Overwrite=True)
    read = parameters("/cdap-test/", ssm)
    assert read.lake_bucket == "lake"
    assert [read.dms_task_arn(f"s{number}") for number in range(25)] == [f"arn:{number}" for number in range(25)]


def test_a_missing_parameter_is_named_and_says_to_deploy(gateway: Any) -> None:
    read = parameters("/cdap-nothing/", gateway.client("ssm"))
    with pytest.raises(ParameterMissingError, match=r"/cdap-nothing/warehouse/host.*cdap deploy"):
        _ = read.warehouse
