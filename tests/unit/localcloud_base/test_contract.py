"""The names of MiniStack that the local cloud relies on are there, as they were."""

from __future__ import annotations

import os

import pytest

from localcloud.base import contract

os.environ.setdefault("AUTH", "true")


@pytest.mark.parametrize(("module", "name"), sorted(contract.SIGNATURES), ids=lambda value: str(value))
def test_ministack_has_the_name_with_its_signature(module: str, name: str) -> None:
    assert callable(contract.original(module, name))


@pytest.mark.parametrize(
    ("module", "name", "kind"),
    [
        ("services.cloudformation.provisioners", "_RESOURCE_HANDLERS", dict),
        ("app", "SERVICE_HANDLERS", dict),
        ("app", "SERVICE_REGISTRY", dict),
        ("core.router", "SERVICE_PATTERNS", dict),
        ("core.iam_actions", "SERVICE_TO_IAM_NAMESPACE", dict),
        ("core.iam_actions", "_SERVICE_PROTOCOL", dict),
        ("services.sts", "_sessions", dict),
    ],
)
def test_ministack_has_the_table(module: str, name: str, kind: type) -> None:
    assert contract.value(module, name, kind) is not None


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("app", "_routing_params"),
        ("app", "_asgi_header_list"),
        ("app", "_IncompleteRequestBody"),
        ("app", "_RequestBodyDisconnected"),
        ("core.iam_evaluator", "pin_signed_body"),
        ("core.iam_evaluator", "EvalContext"),
        ("core.persistence", "_json_default"),
        ("core.persistence", "_state_format_version"),
        ("core.router", "extract_access_key_id"),
        ("services.cloudformation", "_stacks"),
        ("services.cloudformation.provisioners", "_s3_attrs"),
        ("services.iam", "_roles"),
        ("services.iam", "_gen_session_access_key"),
        ("services.iam", "_gen_secret"),
        ("services.iam", "_gen_session_token"),
        ("services.kms", "_aliases"),
        ("services.s3", "_object_disk_path"),
        ("services.s3", "_version_disk_path"),
    ],
)
def test_ministack_has_the_name_that_is_called(module: str, name: str) -> None:
    import importlib

    assert hasattr(importlib.import_module(f"ministack.{module}"), name)


def test_the_line_that_joins_the_parts_of_an_upload_is_where_it_is_rewritten() -> None:
    import inspect

    source = inspect.getsource(contract.original("services.s3", "_complete_multipart_upload"))
    assert source.count('b"".join(combined_parts)') == 1


def test_a_renamed_name_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(contract.SIGNATURES, ("app", "_gone"), "()")
    with pytest.raises(contract.ContractError, match=r"ministack\.app\._gone no longer exists"):
        contract.original("app", "_gone")


def test_a_changed_signature_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(contract.SIGNATURES, ("app", "detect_service"), "(other)")
    with pytest.raises(contract.ContractError, match="relies on"):
        contract.original("app", "detect_service")


def test_a_name_without_a_contract_is_not_used() -> None:
    with pytest.raises(contract.ContractError, match="without a contract"):
        contract.original("app", "_pid_file")


def test_rewriting_refuses_an_expression_that_is_not_there_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(contract.SIGNATURES, ("app", "_pid_file"), "(port: int) -> str")
    with pytest.raises(contract.ContractError, match="not once"):
        contract.rewrite("app", "_pid_file", "nowhere to be found", "x")
