"""The operations of Amazon AppFlow (AppFlow API Reference)."""

from __future__ import annotations

import re
import threading
import uuid
from collections.abc import Mapping
from typing import Any, ClassVar

from botocore.exceptions import ClientError

from localcloud.base.api_type import ApiType
from localcloud.base.cloud import Cloud
from localcloud.base.errors import AwsError
from localcloud.base.service import Service
from localcloud.engines.saas.salesforce import Salesforce, SalesforceError
from localcloud.services.appflow import executions
from localcloud.services.appflow.cloudformation import TYPES
from localcloud.services.appflow.flows import Plan, check, invalid

_FLOW_NAME = re.compile(r"^[a-zA-Z0-9][\w!@#.-]{0,255}$")
_PROFILE_NAME = re.compile(r"^[\w/!@#+=.-]{1,256}$")
_FLOW_TIMES = ("createdAt", "lastUpdatedAt")
_EXECUTION_TIMES = ("startedAt", "lastUpdatedAt", "dataPullStartTime", "dataPullEndTime")
SCHEDULE_INTERVAL = 1.0
PAGE = 100
KEPT_ANSWERS = 1000
"""Answers that are kept for repeated requests; AppFlow keeps them for 8 hours."""


class AppFlowService(Service):
    """AppFlow with Salesforce as source and S3 as destination, on demand and by a rate."""

    name: ClassVar[str] = "appflow"
    cloudformation: ClassVar[Mapping[str, ApiType]] = TYPES

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self._stopped = threading.Event()

    def start(self) -> None:
        for kind in ("profiles", "flows", "executions", "tags", "answers"):
            self.state.setdefault(kind, {})
        for records in self.state["executions"].values():
            for record in records:
                if record["executionStatus"] in ("InProgress", "CancelStarted"):
                    self._end(record, "Error", message="AppFlow ended while the execution was at work; start it again")
                    self.changed()
        self.cloud.run(self._watch_schedules, "appflow-schedules")

    def stop(self) -> None:
        self._stopped.set()

    def resource_arns(self, operation: str, params: dict[str, Any]) -> list[str]:
        if flow := params.get("flowName"):
            return [self._flow_arn(flow)]
        if profile := params.get("connectorProfileName"):
            return [self._profile_arn(profile)]
        return [params["resourceArn"]] if "resourceArn" in params else ["*"]

    # Connector profiles --------------------------------------------------------------------------------------------

    def create_connector_profile(
        self,
        connectorProfileName: str,
        connectorType: str,
        connectionMode: str,
        connectorProfileConfig: dict[str, Any],
        kmsArn: str | None = None,
        clientToken: str | None = None,
    ) -> dict[str, Any]:
        """Keep the credentials; they are tried by the first flow, as a profile with a refresh token is in AppFlow."""
        if answer := self._answered("CreateConnectorProfile", clientToken):
            return answer
        if not _PROFILE_NAME.match(connectorProfileName):
            raise invalid(f"{connectorProfileName!r} is not a name for a connector profile")
        with self.lock:
            if connectorProfileName in self.state["profiles"]:
                raise AwsError("ConflictException", f"The connector profile {connectorProfileName} already exists", 409)
            self.state["profiles"][connectorProfileName] = {
                "connectorProfileName": connectorProfileName,
                "connectorType": connectorType,
                "connectionMode": connectionMode,
                "kmsArn": kmsArn,
                "createdAt": executions.now(),
                **self._profile(connectorType, connectionMode, connectorProfileConfig, {}),
            }
            answer = {"connectorProfileArn": self._profile_arn(connectorProfileName)}
            return self._answer("CreateConnectorProfile", clientToken, answer)

    def update_connector_profile(
        self,
        connectorProfileName: str,
        connectionMode: str,
        connectorProfileConfig: dict[str, Any],
        clientToken: str | None = None,
    ) -> dict[str, Any]:
        """Replace the properties and, where they are given, the credentials."""
        with self.lock:
            profile = self._one_profile(connectorProfileName)
            profile.update(
                self._profile(profile["connectorType"], connectionMode, connectorProfileConfig, profile["credentials"])
            )
            self.changed()
        return {"connectorProfileArn": self._profile_arn(connectorProfileName)}

    def describe_connector_profiles(
        self, connectorProfileNames: list[str] | None = None, connectorType: str | None = None
    ) -> dict[str, Any]:
        """The profiles without their credentials."""
        found = [
            profile
            for name, profile in sorted(self.state["profiles"].items())
            if connectorProfileNames is None or name in connectorProfileNames
            if connectorType is None or profile["connectorType"] == connectorType
        ]
        return {"connectorProfileDetails": [self._shown_profile(profile) for profile in found]}

    def delete_connector_profile(self, connectorProfileName: str, forceDelete: bool = False) -> dict[str, Any]:
        """Refused while a flow uses it, unless forced."""
        with self.lock:
            self._one_profile(connectorProfileName)
            users = [
                flow["flowName"]
                for flow in self.state["flows"].values()
                if flow["sourceFlowConfig"].get("connectorProfileName") == connectorProfileName
            ]
            if users and not forceDelete:
                raise AwsError(
                    "ConflictException", f"{connectorProfileName} is used by the flow {', '.join(sorted(users))}", 409
                )
            del self.state["profiles"][connectorProfileName]
            self.changed()
        return {}

    def describe_connector_entity(self, connectorEntityName: str, connectorProfileName: str) -> dict[str, Any]:
        """The fields of an object, asked of the source now."""
        with Salesforce(executions.login(self.cloud, self._one_profile(connectorProfileName))) as salesforce:
            try:
                fields = salesforce.describe(connectorEntityName)
            except SalesforceError as error:
                raise _connector_error(error) from error
        return {
            "connectorEntityFields": [
                {
                    "identifier": name,
                    "label": name,
                    "supportedFieldTypeDetails": {"v1": {"fieldType": kind, "filterOperators": []}},
                }
                for name, kind in fields.items()
            ]
        }

    # Flows ---------------------------------------------------------------------------------------------------------

    def create_flow(
        self,
        flowName: str,
        triggerConfig: dict[str, Any],
        sourceFlowConfig: dict[str, Any],
        destinationFlowConfigList: list[dict[str, Any]],
        tasks: list[dict[str, Any]],
        description: str = "",
        kmsArn: str | None = None,
        tags: dict[str, str] | None = None,
        clientToken: str | None = None,
    ) -> dict[str, Any]:
        """A scheduled flow is a draft until it is started."""
        if answer := self._answered("CreateFlow", clientToken):
            return answer
        if not _FLOW_NAME.match(flowName):
            raise invalid(f"{flowName!r} is not a name for a flow")
        with self.lock:
            if flowName in self.state["flows"]:
                raise AwsError("ConflictException", f"The flow {flowName} already exists", 409)
            plan = self._plan(triggerConfig, sourceFlowConfig, destinationFlowConfigList, tasks)
            now = executions.now()
            self.state["flows"][flowName] = {
                "flowName": flowName,
                "flowArn": self._flow_arn(flowName),
                "description": description,
                "kmsArn": kmsArn,
                "flowStatus": "Draft" if plan.schedule_seconds else "Active",
                "triggerConfig": _plain(triggerConfig),
                "sourceFlowConfig": sourceFlowConfig,
                "destinationFlowConfigList": destinationFlowConfigList,
                "tasks": tasks,
                "createdAt": now,
                "lastUpdatedAt": now,
                "lastPulled": None,
            }
            self.state["executions"][flowName] = []
            self.state["tags"][self._flow_arn(flowName)] = dict(tags or {})
            answer = {"flowArn": self._flow_arn(flowName), "flowStatus": self.state["flows"][flowName]["flowStatus"]}
            return self._answer("CreateFlow", clientToken, answer)

    def update_flow(
        self,
        flowName: str,
        triggerConfig: dict[str, Any],
        sourceFlowConfig: dict[str, Any],
        destinationFlowConfigList: list[dict[str, Any]],
        tasks: list[dict[str, Any]],
        description: str | None = None,
        clientToken: str | None = None,
    ) -> dict[str, Any]:
        """Replace what the flow does; refused while it runs."""
        with self.lock:
            flow = self._one_flow(flowName)
            self._refuse_running(flowName)
            self._plan(triggerConfig, sourceFlowConfig, destinationFlowConfigList, tasks)
            flow.update(
                triggerConfig=_plain(triggerConfig),
                sourceFlowConfig=sourceFlowConfig,
                destinationFlowConfigList=destinationFlowConfigList,
                tasks=tasks,
                lastUpdatedAt=executions.now(),
                **({} if description is None else {"description": description}),
            )
            self.changed()
            return {"flowStatus": flow["flowStatus"]}

    def describe_flow(self, flowName: str) -> dict[str, Any]:
        """The flow with its last execution."""
        flow = self._one_flow(flowName)
        shown = executions.shown_times({k: v for k, v in flow.items() if k != "lastPulled"}, _FLOW_TIMES)
        shown["tags"] = self.state["tags"].get(flow["flowArn"], {})
        if records := self.state["executions"][flowName]:
            last = records[-1]
            shown["lastRunExecutionDetails"] = executions.shown_times(
                {
                    "mostRecentExecutionTime": last["startedAt"],
                    "mostRecentExecutionStatus": last["executionStatus"].replace("Canceled", "Error")
                    if last["executionStatus"] != "CancelStarted"
                    else "InProgress",
                    "mostRecentExecutionMessage": last["executionResult"].get("errorInfo", {}).get("executionMessage"),
                },
                ("mostRecentExecutionTime",),
            )
        return shown

    def list_flows(self, maxResults: int | None = None, nextToken: str | None = None) -> dict[str, Any]:
        """All flows by name."""
        keys = ("flowArn", "description", "flowName", "flowStatus", "createdAt", "lastUpdatedAt")
        flows = [
            {
                **executions.shown_times({key: flow[key] for key in keys}, _FLOW_TIMES),
                "sourceConnectorType": flow["sourceFlowConfig"]["connectorType"],
                "destinationConnectorType": "S3",
                "triggerType": flow["triggerConfig"]["triggerType"],
                "tags": self.state["tags"].get(flow["flowArn"], {}),
            }
            for _, flow in sorted(self.state["flows"].items())
        ]
        return _page(flows, "flows", maxResults, nextToken)

    def delete_flow(self, flowName: str, forceDelete: bool = False) -> dict[str, Any]:
        """Refused while it runs, unless forced."""
        with self.lock:
            flow = self._one_flow(flowName)
            if not forceDelete:
                self._refuse_running(flowName)
            del self.state["flows"][flowName]
            self.state["executions"].pop(flowName, None)
            self.state["tags"].pop(flow["flowArn"], None)
            self.changed()
        return {}

    def start_flow(self, flowName: str, clientToken: str | None = None) -> dict[str, Any]:
        """Run an on-demand flow now; activate a scheduled one."""
        if answer := self._answered("StartFlow", clientToken):
            return answer
        with self.lock:
            flow = self._one_flow(flowName)
            if self._plan_of(flow).schedule_seconds:
                flow["flowStatus"] = "Active"
                self.changed()
                return {"flowArn": flow["flowArn"], "flowStatus": "Active"}
            self._refuse_running(flowName)
            answer = {
                "flowArn": flow["flowArn"],
                "flowStatus": "Active",
                "executionId": self._begin(flow, (None, None)),
            }
            return self._answer("StartFlow", clientToken, answer)

    def stop_flow(self, flowName: str) -> dict[str, Any]:
        """Suspend a scheduled flow."""
        with self.lock:
            flow = self._one_flow(flowName)
            if not self._plan_of(flow).schedule_seconds:
                raise AwsError(
                    "UnsupportedOperationException", f"{flowName} runs on demand; only a scheduled flow can be stopped"
                )
            flow["flowStatus"] = "Suspended"
            self.changed()
        return {"flowArn": flow["flowArn"], "flowStatus": "Suspended"}

    # Executions ----------------------------------------------------------------------------------------------------

    def describe_flow_execution_records(
        self, flowName: str, maxResults: int | None = None, nextToken: str | None = None
    ) -> dict[str, Any]:
        """The executions, newest first."""
        self._one_flow(flowName)
        records = [
            executions.shown_times({k: v for k, v in record.items() if k != "key"}, _EXECUTION_TIMES)
            for record in reversed(self.state["executions"][flowName])
        ]
        return _page(records, "flowExecutions", maxResults, nextToken)

    def cancel_flow_executions(self, flowName: str, executionIds: list[str] | None = None) -> dict[str, Any]:
        """Ask executions that are at work to end."""
        with self.lock:
            self._one_flow(flowName)
            known = {record["executionId"]: record for record in self.state["executions"][flowName]}
            refused = []
            for execution_id in executionIds or list(known):
                record = known.get(execution_id)
                if record is None or record["executionStatus"] != "InProgress":
                    refused.append(execution_id)
                    continue
                record["executionStatus"] = "CancelStarted"
            self.changed()
        return {"invalidExecutions": refused if executionIds else []}

    # Tags ----------------------------------------------------------------------------------------------------------

    def tag_resource(self, resourceArn: str, tags: dict[str, str]) -> dict[str, Any]:
        """Add tags to a flow."""
        with self.lock:
            self._tags_of(resourceArn).update(tags)
            self.changed()
        return {}

    def untag_resource(self, resourceArn: str, tagKeys: list[str]) -> dict[str, Any]:
        """Remove tags from a flow."""
        with self.lock:
            kept = self._tags_of(resourceArn)
            for key in tagKeys:
                kept.pop(key, None)
            self.changed()
        return {}

    def list_tags_for_resource(self, resourceArn: str) -> dict[str, Any]:
        """The tags of a flow."""
        return {"tags": dict(self._tags_of(resourceArn))}

    # ---------------------------------------------------------------------------------------------------------------

    def _answered(self, operation: str, token: str | None) -> dict[str, Any] | None:
        """What the same request, by its clientToken, was answered before."""
        answer: dict[str, Any] | None = self.state["answers"].get(f"{operation}/{token}")
        return answer

    def _answer(self, operation: str, token: str | None, answer: dict[str, Any]) -> dict[str, Any]:
        """Keeps an answer for a repeat of its request, and the state that it belongs to."""
        if token is not None:
            kept = self.state["answers"]
            kept[f"{operation}/{token}"] = answer
            for key in list(kept)[:-KEPT_ANSWERS]:
                del kept[key]
        self.changed()
        return answer

    def _begin(self, flow: dict[str, Any], window: tuple[float | None, float | None]) -> str:
        """Note an execution and run it in the background; returns its id. Under the lock."""
        now = executions.now()
        record: dict[str, Any] = {
            "executionId": str(uuid.uuid4()),
            "executionStatus": "InProgress",
            "executionResult": {},
            "startedAt": now,
            "lastUpdatedAt": now,
            "dataPullStartTime": window[0],
            "dataPullEndTime": window[1],
        }
        self.state["executions"][flow["flowName"]].append(record)
        self.changed()
        name, plan = flow["flowName"], self._plan_of(flow)
        profile = flow["sourceFlowConfig"]["connectorProfileName"]
        self.cloud.run(lambda: self._execute(name, plan, profile, record, window), f"appflow-{name}")
        return str(record["executionId"])

    def _execute(
        self,
        name: str,
        plan: Plan,
        profile: str,
        record: dict[str, Any],
        window: tuple[float | None, float | None],
    ) -> None:
        try:
            source = executions.login(self.cloud, self._one_profile(profile))
            done = executions.run(
                self.cloud, name, plan, source, record["executionId"], window,
                lambda: record["executionStatus"] == "CancelStarted",
            )  # fmt: skip
        except executions.Canceled:
            self._settle(record, "Canceled")
        except SalesforceError as error:
            self._settle(record, "Error", f"The request failed because the service Source Salesforce returned: {error}")
        except (AwsError, ClientError) as error:
            self._settle(record, "Error", f"The execution failed: {error}")
        except ValueError as error:
            self._settle(record, "Error", f"A record of {plan.object} does not fit its field's type: {error}")
        except BaseException as error:
            self._settle(record, "Error", f"The execution ended unexpectedly: {type(error).__name__}: {error}")
            raise
        else:
            with self.lock:
                record["executionResult"] = {
                    "bytesProcessed": done.bytes_processed,
                    "bytesWritten": done.bytes_written,
                    "recordsProcessed": done.records,
                }
                self._settle(record, "Successful")

    def _settle(self, record: dict[str, Any], status: str, message: str = "") -> None:
        with self.lock:
            self._end(record, status, message=message)
            self.changed()

    @staticmethod
    def _end(record: dict[str, Any], status: str, *, message: str = "") -> None:
        record.update(executionStatus=status, lastUpdatedAt=executions.now())
        if message:
            record["executionResult"] = {"errorInfo": {"putFailuresCount": 0, "executionMessage": message[:2048]}}

    def _watch_schedules(self) -> None:
        while not self._stopped.wait(SCHEDULE_INTERVAL):
            with self.lock:
                now = executions.now()
                for flow in list(self.state["flows"].values()):
                    if flow["flowStatus"] == "Active":
                        self._run_when_due(flow, now)

    def _run_when_due(self, flow: dict[str, Any], now: float) -> None:
        plan = self._plan_of(flow)
        if not plan.schedule_seconds or self._running(flow["flowName"]):
            return
        last = flow["lastPulled"]
        due = max(plan.schedule_start, 0 if last is None else last + plan.schedule_seconds)
        if now < due or (plan.schedule_end and now > plan.schedule_end):
            return
        # The first incremental pull takes what there is, later ones what changed since.
        window = (last, now) if plan.incremental else (None, None)
        flow["lastPulled"] = now
        self._begin(flow, window)

    def _plan(self, *parts: Any) -> Plan:
        plan = check(*parts)
        self._one_profile(parts[1]["connectorProfileName"])
        return plan

    @staticmethod
    def _plan_of(flow: Mapping[str, Any]) -> Plan:
        return check(flow["triggerConfig"], flow["sourceFlowConfig"], flow["destinationFlowConfigList"], flow["tasks"])

    def _profile(
        self, kind: str, mode: str, config: Mapping[str, Any], before: Mapping[str, Any]
    ) -> dict[str, dict[str, Any]]:
        if kind != "Salesforce":
            raise invalid(f"the connector {kind} is not supported here (supported: Salesforce)")
        if mode != "Public":
            raise invalid(f"connectionMode {mode} is not supported here (supported: Public)")
        properties = dict(config.get("connectorProfileProperties", {}).get("Salesforce", {}))
        credentials = dict(config.get("connectorProfileCredentials", {}).get("Salesforce", {})) or dict(before)
        if not properties.get("instanceUrl"):
            raise invalid("a Salesforce connector profile needs instanceUrl")
        if credentials.get("oAuth2GrantType") == "JWT_BEARER" or credentials.get("oAuthRequest"):
            raise invalid("JWT_BEARER and authorisation codes are not supported here: give a refreshToken")
        return {"properties": properties, "credentials": credentials}

    def _shown_profile(self, profile: Mapping[str, Any]) -> dict[str, Any]:
        kept = ("connectorProfileName", "connectorType", "connectionMode")
        return {
            **{key: profile[key] for key in kept},
            "connectorProfileArn": self._profile_arn(profile["connectorProfileName"]),
            "connectorProfileProperties": {"Salesforce": profile["properties"]},
            **executions.shown_times({"createdAt": profile["createdAt"]}, ("createdAt",)),
        }

    def _running(self, flow: str) -> bool:
        return any(
            record["executionStatus"] in ("InProgress", "CancelStarted") for record in self.state["executions"][flow]
        )

    def _refuse_running(self, flow: str) -> None:
        if self._running(flow):
            raise AwsError("ConflictException", f"The flow {flow} is running; wait until its execution has ended", 409)

    def _one_flow(self, name: str) -> dict[str, Any]:
        flow: dict[str, Any] | None = self.state["flows"].get(name)
        if flow is None:
            raise AwsError("ResourceNotFoundException", f"The flow {name} does not exist", 404)
        return flow

    def _one_profile(self, name: str) -> dict[str, Any]:
        profile: dict[str, Any] | None = self.state["profiles"].get(name)
        if profile is None:
            raise AwsError("ResourceNotFoundException", f"The connector profile {name} does not exist", 404)
        return profile

    def _tags_of(self, arn: str) -> dict[str, str]:
        tags: dict[str, str] | None = self.state["tags"].get(arn)
        if tags is None:
            raise AwsError("ResourceNotFoundException", f"{arn} does not exist", 404)
        return tags

    def _flow_arn(self, name: str) -> str:
        return self.cloud.arn("appflow", f"flow/{name}")

    def _profile_arn(self, name: str) -> str:
        return self.cloud.arn("appflow", f"connectorprofile/{name}")


def _connector_error(error: SalesforceError) -> AwsError:
    code = "ConnectorAuthenticationException" if error.authentication else "ConnectorServerException"
    return AwsError(code, str(error))


def _plain(trigger: Mapping[str, Any]) -> dict[str, Any]:
    """The trigger with its times as seconds, as the state is kept."""
    properties = dict(trigger.get("triggerProperties", {}).get("Scheduled", {}))
    for name in ("scheduleStartTime", "scheduleEndTime", "firstExecutionFrom"):
        if hasattr(properties.get(name), "timestamp"):
            properties[name] = properties[name].timestamp()
    plain: dict[str, Any] = {"triggerType": trigger.get("triggerType")}
    return {**plain, "triggerProperties": {"Scheduled": properties}} if properties else plain


def _page(items: list[dict[str, Any]], name: str, limit: int | None, token: str | None) -> dict[str, Any]:
    start = int(token) if token and token.isdigit() else 0
    end = start + min(limit or PAGE, PAGE)
    return {name: items[start:end], **({"nextToken": str(end)} if end < len(items) else {})}
