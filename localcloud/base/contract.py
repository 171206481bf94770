"""The names of MiniStack that the local cloud replaces or calls, with the signatures that it relies on.

MiniStack is pinned, and its internals are nobody's promise: each name is checked when the gateway starts and by a test,
so that an upgrade which renames or changes one says so instead of quietly leaving IAM, state or S3 unguarded.
"""

from __future__ import annotations

import importlib
import inspect
import textwrap
from collections.abc import Callable
from typing import Any


class ContractError(RuntimeError):
    """A name of MiniStack is gone or has changed."""


SIGNATURES: dict[tuple[str, str], str] = {
    ("app", "_dispatch_service_request"): (
        "(method: str, path: str, headers: dict, body: bytes, query_params: dict, request_id: str)"
    ),
    ("app", "_read_request_body"): "(receive, method: str, headers: dict) -> bytes",
    ("app", "_decode_aws_chunked_body"): "(body: bytes, headers: dict) -> bytes",
    ("app", "_build_persistence_save_dict"): "()",
    ("app", "_load_persisted_state"): "()",
    ("app", "_get_module"): "(name: str)",
    ("app", "_handle_lifespan"): "(scope, receive, send)",
    ("app", "detect_service"): "(method: str, path: str, headers: dict, query_params: dict) -> str",
    ("app", "pin_request_origin"): "(source_ip: str, secure_transport: bool) -> None",
    ("app", "app"): "(scope, receive, send)",
    ("core.iam_actions", "extract_iam_action"): (
        "(service: str, method: str, path: str, headers: dict, body: bytes, query_params: dict) -> str | None"
    ),
    ("core.iam_actions", "extract_resource_arn"): (
        "(service: str, method: str, path: str, headers: dict, body: bytes, query_params: dict, region: str, "
        "account_id: str) -> str"
    ),
    ("core.iam_actions", "access_denied_response"): (
        "(service: str, action: str, principal_arn: str, request_id: str, *, error_code: str = '', message: str = '', "
        "headers: dict | None = None, resource_arn: str = '*', explicit_deny: bool = False, "
        "resource_policy_arn: str = '') -> tuple"
    ),
    ("core.iam_evaluator", "is_root_access_key"): "(access_key_id: str) -> bool",
    ("core.iam_evaluator", "_is_root_key"): "(access_key_id: str) -> bool",
    ("core.iam_evaluator", "_principal_matches"): "(principal: Any, caller_arn: str) -> bool",
    ("core.iam_evaluator", "_service_principal_matches"): "(principal: Any, service: str) -> bool",
    (
        "core.iam_evaluator",
        "_conditions_met",
    ): "(conditions: dict, ctx: ministack.core.iam_evaluator.EvalContext) -> bool",
    ("core.iam_evaluator", "_gather_role_policies"): (
        "(role_name: str, account_id: str) -> list[list[ministack.core.iam_evaluator.ParsedStatement]]"
    ),
    ("core.iam_evaluator", "enforce"): (
        "(access_key_id: str, iam_action: str, service: str, region: str, resource_arn: str = '*', "
        "service_context: dict[str, typing.Any] | None = None) -> "
        "ministack.core.iam_evaluator.EvalResult | ministack.core.iam_evaluator.AuthError | None"
    ),
    ("core.iam_evaluator", "evaluate_resource_policy"): (
        "(doc: str | dict | None, ctx: ministack.core.iam_evaluator.EvalContext, service: str | None = None, "
        "named_only: bool = False, direct_only: bool = False) -> ministack.core.iam_evaluator.EvalResult"
    ),
    ("core.iam_evaluator", "_resource_policy"): "(service: str, resource_arn: str) -> tuple | None",
    ("core.responses", "request_scope"): "(account_id: str, region: str)",
    ("services.cloudformation.stacks", "_runs_on_worker_thread"): "(resource_type: str) -> bool",
    ("app", "_send_response"): "(send, status, headers, body, *, head=False)",
    ("services.s3", "_atomic_write"): "(fpath: str, data: bytes, *, text: bool = False)",
    ("services.s3", "_complete_multipart_upload"): (
        "(bucket_name: str, key: str, body: bytes, query_params: dict, headers: dict | None = None)"
    ),
    ("services.s3", "_get_object_data"): "(bucket_name: str, key: str, version_id: str | None = None) -> bytes | None",
    ("services.s3", "_read_body"): "(bucket_name: str, key: str, obj: dict) -> bytes",
    ("services.s3", "_version_body"): "(bucket: dict, bucket_name: str, key: str, v: dict) -> bytes | None",
    ("services.s3", "_version_entry_from_record"): "(obj: dict, version_id: str, data) -> dict",
    ("services.sts", "get_state"): "() -> dict",
    ("services.sts", "load_persisted_state"): "(data: dict) -> None",
    ("services.sts", "register_session"): "(access_key: str, session: dict) -> None",
}
"""(module of MiniStack, name) -> signature."""


def original(module: str, name: str) -> Any:
    """A name of MiniStack, after checking it. Raises :class:`ContractError`."""
    full = f"ministack.{module}"
    loaded = importlib.import_module(full)
    try:
        value = getattr(loaded, name)
    except AttributeError:
        raise ContractError(f"{full}.{name} no longer exists in the installed MiniStack") from None
    expected = SIGNATURES.get((module, name))
    if expected is None:
        raise ContractError(f"{full}.{name} is used without a contract: add its signature to SIGNATURES")
    actual = str(inspect.signature(value))
    if actual != expected:
        raise ContractError(f"{full}.{name} is now {actual}, and the local cloud relies on {expected}")
    return value


def value(module: str, name: str, kind: type) -> Any:
    """A datum of MiniStack that is changed in place. Raises :class:`ContractError` when it is not a ``kind``."""
    loaded = importlib.import_module(f"ministack.{module}")
    found = getattr(loaded, name, None)
    if not isinstance(found, kind):
        raise ContractError(f"ministack.{module}.{name} is {type(found).__name__}, not {kind.__name__}")
    return found


def rewrite(module: str, name: str, old: str, new: str) -> None:
    """Change one expression inside a checked function of MiniStack. Raises :class:`ContractError`."""
    source = textwrap.dedent(inspect.getsource(original(module, name)))
    if source.count(old) != 1:
        raise ContractError(f"ministack.{module}.{name} has {source.count(old)} times {old!r}, not once")
    loaded = importlib.import_module(f"ministack.{module}")
    code = compile(source.replace(old, new), f"{loaded.__file__} (rewritten)", "exec")
    exec(code, loaded.__dict__)  # noqa: S102 the installed module's own source


def replace(module: str, name: str, replacement: Callable[..., Any]) -> Any:
    """Put ``replacement`` in the place of a checked name of MiniStack; returns what was there."""
    replaced = original(module, name)
    setattr(importlib.import_module(f"ministack.{module}"), name, replacement)
    return replaced
