"""What an endpoint's and a task's settings mean for the replication engine.

Every setting is either honoured, without effect on a full load, or refused by name. Sources: AWS DMS API Reference,
"S3Settings" and "PostgreSQLSettings"; AWS DMS User Guide, "Specifying task settings for AWS DMS tasks".
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import Any

from localcloud.base.service import AwsError
from localcloud.engines.replication.full_load import FullLoadOptions
from localcloud.engines.replication.s3_target import S3Target
from localcloud.engines.replication.types import TypeSettings

_S3_HONOURED = {
    "ServiceAccessRoleArn",
    "BucketName",
    "BucketFolder",
    "DataFormat",
    "CompressionType",
    "CsvDelimiter",
    "CsvRowDelimiter",
    "CsvNullValue",
    "Rfc4180",
    "AddColumnName",
    "TimestampColumnName",
    "IncludeOpForFullLoad",
    "ParquetVersion",
    "ParquetTimestampInMillisecond",
    "MaxFileSize",
    "EncryptionMode",
    "ServerSideEncryptionKmsKeyId",
    "RowGroupLength",
    "DataPageSize",
    "DictPageSizeLimit",
    "EncodingType",
    "EnableStatistics",
    "UseTaskStartTimeForFullLoadTimestamp",
}
# They speak of change data capture only.
_S3_CDC_ONLY = {
    "CdcMaxBatchInterval",
    "CdcMinFileSize",
    "CdcPath",
    "CsvNoSupValue",
    "DatePartitionSequence",
    "DatePartitionDelimiter",
    "DatePartitionTimezone",
}
_S3_MUST_BE_OFF = {
    "CdcInsertsOnly",
    "CdcInsertsAndUpdates",
    "DatePartitionEnabled",
    "UseCsvNoSupValue",
    "PreserveTransactions",
    "GlueCatalogGeneration",
    "AddTrailingPaddingCharacter",
}
_PG_HONOURED = {
    "DatabaseName",
    "Password",
    "Port",
    "ServerName",
    "Username",
    "SecretsManagerAccessRoleArn",
    "SecretsManagerSecretId",
    "MapBooleanAsBoolean",
    "AfterConnectScript",
    "ExecuteTimeout",
}
_PG_CDC_ONLY = {
    "CaptureDdls",
    "DdlArtifactsSchema",
    "HeartbeatEnable",
    "HeartbeatSchema",
    "HeartbeatFrequency",
    "SlotName",
    "PluginName",
    "MaxFileSize",
}
_PG_MUST_BE_OFF = {"FailTasksOnLobTruncation", "TrimSpaceInChar", "DisableUnicodeSourceFilter"}

_TASK_DEFAULTS: dict[str, Any] = {
    "TargetMetadata": {
        "TargetSchema": "",
        "SupportLobs": True,
        "FullLobMode": False,
        "LobChunkSize": 64,
        "LimitedSizeLobMode": True,
        "LobMaxSize": 32,
        "InlineLobMaxSize": 0,
        "LoadMaxFileSize": 0,
        "ParallelLoadThreads": 0,
        "ParallelLoadBufferSize": 0,
        "BatchApplyEnabled": False,
        "TaskRecoveryTableEnabled": False,
        "ParallelLoadQueuesPerThread": 0,
        "ParallelApplyThreads": 0,
        "ParallelApplyBufferSize": 0,
        "ParallelApplyQueuesPerThread": 0,
    },
    "FullLoadSettings": {
        "TargetTablePrepMode": "DROP_AND_CREATE",
        "CreatePkAfterFullLoad": False,
        "StopTaskCachedChangesApplied": False,
        "StopTaskCachedChangesNotApplied": False,
        "MaxFullLoadSubTasks": 8,
        "TransactionConsistencyTimeout": 600,
        "CommitRate": 10000,
    },
    "Logging": {
        "EnableLogging": False,
        "EnableLogContext": False,
        "LogComponents": [],
        "LogConfiguration": {},
        "CloudWatchLogGroup": None,
        "CloudWatchLogStream": None,
    },
    "ErrorBehavior": {
        "DataErrorPolicy": "LOG_ERROR",
        "DataTruncationErrorPolicy": "LOG_ERROR",
        "DataErrorEscalationPolicy": "SUSPEND_TABLE",
        "DataErrorEscalationCount": 0,
        "TableErrorPolicy": "SUSPEND_TABLE",
        "TableErrorEscalationPolicy": "STOP_TASK",
        "TableErrorEscalationCount": 0,
        "RecoverableErrorCount": -1,
        "RecoverableErrorInterval": 5,
        "RecoverableErrorThrottling": True,
        "RecoverableErrorThrottlingMax": 1800,
        "RecoverableErrorStopRetryAfterThrottlingMax": True,
        "FullLoadIgnoreConflicts": True,
        "FailOnTransactionConsistencyBreached": False,
        "FailOnNoTablesCaptured": True,
        "EventErrorPolicy": "IGNORE",
        "DataMaskingErrorPolicy": "STOP_TASK",
        "ApplyErrorDeletePolicy": "IGNORE_RECORD",
        "ApplyErrorInsertPolicy": "LOG_ERROR",
        "ApplyErrorUpdatePolicy": "LOG_ERROR",
        "ApplyErrorEscalationPolicy": "LOG_ERROR",
        "ApplyErrorEscalationCount": 0,
        "ApplyErrorFailOnTruncationDdl": False,
    },
}
# Groups that say nothing about a full load.
_TASK_CDC_GROUPS = {
    "ControlTablesSettings",
    "StreamBufferSettings",
    "ChangeProcessingDdlHandlingPolicy",
    "ChangeProcessingTuning",
    "BeforeImageSettings",
    "LoopbackPreventionSettings",
    "TTSettings",
    "FailTaskWhenCleanTaskResourceFailed",
}
_TASK_REFUSED_GROUPS = {"CharacterSetSettings", "PostProcessingRules"}
_UNSUPPORTED_VALUES: dict[tuple[str, str], Any] = {
    ("TargetMetadata", "TargetSchema"): "",
    ("TargetMetadata", "ParallelLoadThreads"): 0,
    ("TargetMetadata", "BatchApplyEnabled"): False,
    ("TargetMetadata", "TaskRecoveryTableEnabled"): False,
    ("FullLoadSettings", "CreatePkAfterFullLoad"): False,
}


def invalid(message: str) -> AwsError:
    return AwsError("InvalidParameterValueException", message)


def unsupported(message: str) -> AwsError:
    return AwsError("NotImplementedException", message, 501)


def check_s3_settings(settings: Mapping[str, Any]) -> S3Target:
    """The engine's target. Raises AwsError naming the setting that is missing, wrong or not supported."""
    for required in ("BucketName", "ServiceAccessRoleArn"):
        if not settings.get(required):
            raise invalid(f"S3Settings.{required} must be given for a target endpoint of the engine s3")
    _check_known(settings, "S3Settings", _S3_HONOURED | _S3_CDC_ONLY, _S3_MUST_BE_OFF)
    data_format = str(settings.get("DataFormat", "csv")).lower()
    if data_format not in ("csv", "parquet"):
        raise invalid(f"S3Settings.DataFormat is {data_format!r}; it must be csv or parquet")
    compression = str(settings.get("CompressionType", "none")).lower()
    if compression not in ("none", "gzip"):
        raise invalid(f"S3Settings.CompressionType is {compression!r}; it must be none or gzip")
    if settings.get("Rfc4180") is False:
        raise unsupported("S3Settings.Rfc4180 false is not supported: CSV is written as RFC 4180 says")
    delimiter = _control(str(settings.get("CsvDelimiter", ",")))
    if len(delimiter.encode()) != 1 or delimiter in '"\r\n':
        raise unsupported(
            f"S3Settings.CsvDelimiter {delimiter!r} is not supported: it must be one byte, no quote or newline"
        )
    version = str(settings.get("ParquetVersion", "parquet-1-0")).lower().replace("_", "-")
    versions = {"parquet-1-0": "1.0", "parquet-2-0": "2.6"}
    if version not in versions:
        raise invalid(f"S3Settings.ParquetVersion is {version!r}; it must be parquet-1-0 or parquet-2-0")
    encoding = str(settings.get("EncodingType", "rle-dictionary")).lower().replace("_", "-")
    if encoding not in ("rle-dictionary", "plain-dictionary", "plain"):
        raise invalid(f"S3Settings.EncodingType is {encoding!r}; it must be rle-dictionary, plain-dictionary or plain")
    max_file_size = int(settings.get("MaxFileSize", 1_048_576))
    if not 1 <= max_file_size <= 1_048_576:
        raise invalid(f"S3Settings.MaxFileSize is {max_file_size}; it must be between 1 and 1048576 (kilobytes)")
    return S3Target(
        bucket=str(settings["BucketName"]),
        folder=str(settings.get("BucketFolder", "")),
        data_format=data_format,
        gzip=compression == "gzip",
        csv_delimiter=delimiter,
        csv_row_delimiter=_control(str(settings.get("CsvRowDelimiter", "\n"))),
        csv_null_value=str(settings.get("CsvNullValue", "NULL")).replace('""', "").replace("''", ""),
        add_column_name=bool(settings.get("AddColumnName", False)),
        include_op=bool(settings.get("IncludeOpForFullLoad", False)),
        timestamp_column=str(settings.get("TimestampColumnName", "")),
        task_start_time_as_timestamp=bool(settings.get("UseTaskStartTimeForFullLoadTimestamp", False)),
        parquet_version=versions[version],
        row_group_length=int(settings.get("RowGroupLength", 10_000)),
        data_page_size=int(settings.get("DataPageSize", 1024 * 1024)),
        dictionary_page_size=int(settings.get("DictPageSizeLimit", 1024 * 1024)),
        use_dictionary=encoding != "plain",
        statistics=bool(settings.get("EnableStatistics", True)),
        max_file_size=max_file_size * 1024,
        object_arguments=_encryption(settings),
    )


def _encryption(settings: Mapping[str, Any]) -> dict[str, str]:
    mode = str(settings.get("EncryptionMode", "sse-s3")).lower().replace("_", "-")
    key = settings.get("ServerSideEncryptionKmsKeyId")
    if mode == "sse-s3":
        if key:
            raise invalid("S3Settings.ServerSideEncryptionKmsKeyId needs EncryptionMode sse-kms")
        return {"ServerSideEncryption": "AES256"}
    if mode != "sse-kms":
        raise invalid(f"S3Settings.EncryptionMode is {mode!r}; it must be sse-s3 or sse-kms")
    if not key:
        raise invalid("S3Settings.EncryptionMode sse-kms needs ServerSideEncryptionKmsKeyId")
    return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": str(key)}


def check_postgres_settings(settings: Mapping[str, Any]) -> None:
    """Raises AwsError naming the setting that is not supported or does not go with the others."""
    _check_known(settings, "PostgreSQLSettings", _PG_HONOURED | _PG_CDC_ONLY, _PG_MUST_BE_OFF)
    secret, role = settings.get("SecretsManagerSecretId"), settings.get("SecretsManagerAccessRoleArn")
    if bool(secret) != bool(role):
        raise invalid("PostgreSQLSettings needs SecretsManagerSecretId and SecretsManagerAccessRoleArn together")


def _check_known(settings: Mapping[str, Any], where: str, known: set[str], must_be_off: set[str]) -> None:
    for name, value in settings.items():
        if value is None or name in known or (name in must_be_off and not value):
            continue
        raise unsupported(f"{where}.{name} = {value!r} is not supported by the local cloud")


def _control(text: str) -> str:
    return text.replace("\\n", "\n").replace("\\r", "\r").replace("\\t", "\t")


def parse_task_settings(text: str | None) -> dict[str, Any]:
    """The settings of a task with DMS's defaults filled in. Raises AwsError naming what is wrong or not supported."""
    settings = copy.deepcopy(_TASK_DEFAULTS)
    if not text:
        return settings
    try:
        given = json.loads(text)
    except json.JSONDecodeError as error:
        raise invalid(f"ReplicationTaskSettings is not valid JSON: {error}") from error
    if not isinstance(given, dict):
        raise invalid("ReplicationTaskSettings must be a JSON object")
    for group, values in given.items():
        if group in _TASK_CDC_GROUPS or values is None:
            settings[group] = values
        elif group == "ValidationSettings":
            if isinstance(values, dict) and values.get("EnableValidation"):
                raise unsupported("ReplicationTaskSettings: ValidationSettings.EnableValidation is not supported")
            settings[group] = values
        elif group in _TASK_REFUSED_GROUPS or group not in _TASK_DEFAULTS:
            raise unsupported(f"ReplicationTaskSettings: {group} is not supported by the local cloud")
        else:
            _merge_group(settings[group], group, values)
    return settings


def _merge_group(current: dict[str, Any], group: str, values: Any) -> None:
    if not isinstance(values, dict):
        raise invalid(f"ReplicationTaskSettings: {group} must be a JSON object")
    for name, value in values.items():
        if name not in _TASK_DEFAULTS[group]:
            raise unsupported(f"ReplicationTaskSettings: {group}.{name} is not supported by the local cloud")
        if (group, name) in _UNSUPPORTED_VALUES and value not in (None, _UNSUPPORTED_VALUES[group, name]):
            raise unsupported(f"ReplicationTaskSettings: {group}.{name} = {value!r} is not supported")
        current[name] = value
    if group == "FullLoadSettings":
        if current["TargetTablePrepMode"] not in ("DO_NOTHING", "DROP_AND_CREATE", "TRUNCATE_BEFORE_LOAD"):
            raise invalid(
                f"ReplicationTaskSettings: FullLoadSettings.TargetTablePrepMode {current['TargetTablePrepMode']!r} is "
                "not one of DO_NOTHING, DROP_AND_CREATE, TRUNCATE_BEFORE_LOAD"
            )
        if not 1 <= int(current["MaxFullLoadSubTasks"]) <= 49:
            raise invalid("ReplicationTaskSettings: FullLoadSettings.MaxFullLoadSubTasks must be between 1 and 49")
    if group == "TargetMetadata" and current["FullLobMode"]:
        current["LimitedSizeLobMode"] = False


def full_load_options(
    settings: Mapping[str, Any], s3: Mapping[str, Any], postgres: Mapping[str, Any]
) -> FullLoadOptions:
    """What the task's and the endpoints' settings ask of the engine.

    A row that cannot be converted makes its table an error also where DataErrorPolicy is LOG_ERROR: a table is loaded
    whole or not at all, so that no row is missing without being seen.
    """
    load, metadata, errors = settings["FullLoadSettings"], settings["TargetMetadata"], settings["ErrorBehavior"]
    return FullLoadOptions(
        parallel_tables=int(load["MaxFullLoadSubTasks"]),
        # The S3 target knows no table: both modes mean that the files of the table's folder go.
        delete_earlier=load["TargetTablePrepMode"] != "DO_NOTHING",
        stop_on_table_error="STOP_TASK" in (errors["TableErrorPolicy"], errors["DataErrorPolicy"]),
        types=TypeSettings(
            boolean_as_boolean=bool(postgres.get("MapBooleanAsBoolean", False)),
            timestamp_unit="ms" if s3.get("ParquetTimestampInMillisecond") else "us",
            support_lobs=bool(metadata["SupportLobs"]),
            lob_max_size=int(metadata["LobMaxSize"]) * 1024 if metadata["LimitedSizeLobMode"] else None,
        ),
    )
