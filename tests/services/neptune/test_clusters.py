"""Clusters, instances, groups and stacks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from localcloud.servers.machine import Machine
from tests.services.neptune.conftest import ACCOUNT, REGION, GraphCloud


def test_a_cluster_is_described_as_it_is(graph_cloud: GraphCloud) -> None:
    neptune = graph_cloud.client("neptune")
    [cluster] = neptune.describe_db_clusters(DBClusterIdentifier="people")["DBClusters"]
    assert f"{cluster['Endpoint']}:{cluster['Port']}" == graph_cloud.endpoint
    assert (cluster["Status"], cluster["IAMDatabaseAuthenticationEnabled"]) == ("available", True)
    assert [member["DBInstanceIdentifier"] for member in cluster["DBClusterMembers"]] == ["people-1"]
    arn = cluster["DBClusterArn"]
    neptune.add_tags_to_resource(ResourceName=arn, Tags=[{"Key": "team", "Value": "data"}])
    assert neptune.list_tags_for_resource(ResourceName=arn)["TagList"] == [{"Key": "team", "Value": "data"}]
    neptune.modify_db_cluster(DBClusterIdentifier="people", BackupRetentionPeriod=7, ApplyImmediately=True)
    assert neptune.describe_db_clusters()["DBClusters"][0]["BackupRetentionPeriod"] == 7
    found = neptune.describe_db_instances(Filters=[{"Name": "db-cluster-id", "Values": ["people"]}])["DBInstances"]
    assert [instance["DBInstanceIdentifier"] for instance in found] == ["people-1"]


@pytest.mark.parametrize(
    ("operation", "parameters", "code"),
    [
        ("create_db_cluster", {"DBClusterIdentifier": "people", "Engine": "neptune"}, "DBClusterAlreadyExistsFault"),
        ("create_db_cluster", {"DBClusterIdentifier": "second", "Engine": "neptune"}, "DBClusterQuotaExceededFault"),
        ("create_db_cluster", {"DBClusterIdentifier": "x", "Engine": "mysql"}, "InvalidParameterValue"),
        ("delete_db_cluster", {"DBClusterIdentifier": "people", "SkipFinalSnapshot": True},
         "InvalidDBClusterStateFault"),
        ("describe_db_clusters", {"DBClusterIdentifier": "missing"}, "DBClusterNotFoundFault"),
        ("describe_db_instances", {"DBInstanceIdentifier": "missing"}, "DBInstanceNotFound"),
        ("create_db_cluster_snapshot", {"DBClusterIdentifier": "people", "DBClusterSnapshotIdentifier": "s"},
         "NotImplementedException"),
    ],
)  # fmt: skip
def test_what_is_refused_says_why(
    graph_cloud: GraphCloud, operation: str, parameters: dict[str, object], code: str
) -> None:
    with pytest.raises(ClientError) as refused:
        getattr(graph_cloud.client("neptune"), operation)(**parameters)
    assert refused.value.response["Error"]["Code"] == code


@pytest.fixture
def empty_cloud(tmp_path: Path) -> Iterator[GraphCloud]:
    machine = Machine(tmp_path / "state")
    machine.up(account_id=ACCOUNT, region=REGION, without=frozenset({"postgres", "opensearch", "warehouse"}))
    yield GraphCloud(machine)
    machine.down()


def test_a_stack_makes_changes_and_removes_a_graph(empty_cloud: GraphCloud) -> None:
    stacks, neptune = empty_cloud.client("cloudformation"), empty_cloud.client("neptune")
    subnets = empty_cloud.client("ec2").describe_subnets()["Subnets"]
    ids = list({subnet["AvailabilityZone"]: subnet["SubnetId"] for subnet in subnets}.values())[:2]

    def template(days: int) -> str:
        cluster = {"DBClusterIdentifier": "graph", "IamAuthEnabled": True, "StorageEncrypted": True,
                   "BackupRetentionPeriod": days, "DBSubnetGroupName": {"Ref": "Subnets"}}  # fmt: skip
        group = {"DBSubnetGroupDescription": "two zones", "SubnetIds": ids}
        instance = {"DBClusterIdentifier": {"Ref": "Cluster"}, "DBInstanceClass": "db.t3.medium"}
        return json.dumps({
            "Resources": {
                "Subnets": {"Type": "AWS::Neptune::DBSubnetGroup", "Properties": group},
                "Cluster": {"Type": "AWS::Neptune::DBCluster", "Properties": cluster},
                "Instance": {"Type": "AWS::Neptune::DBInstance", "Properties": instance},
            },
            "Outputs": {"Port": {"Value": {"Fn::GetAtt": ["Cluster", "Port"]}},
                        "Id": {"Value": {"Fn::GetAtt": ["Cluster", "ClusterResourceId"]}}},
        })  # fmt: skip

    stacks.create_stack(StackName="graph", TemplateBody=template(3))
    stacks.get_waiter("stack_create_complete").wait(StackName="graph", WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    outputs = {o["OutputKey"]: o["OutputValue"] for o in stacks.describe_stacks()["Stacks"][0]["Outputs"]}
    [cluster] = neptune.describe_db_clusters()["DBClusters"]
    assert outputs == {"Port": str(cluster["Port"]), "Id": cluster["DbClusterResourceId"]}
    assert cluster["StorageEncrypted"] and cluster["IAMDatabaseAuthenticationEnabled"]
    with empty_cloud.traversal(empty_cloud.root) as g:
        g.add_v("Person").iterate()
    stacks.update_stack(StackName="graph", TemplateBody=template(9))
    stacks.get_waiter("stack_update_complete").wait(StackName="graph", WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    assert neptune.describe_db_clusters()["DBClusters"][0]["BackupRetentionPeriod"] == 9
    stacks.delete_stack(StackName="graph")
    stacks.get_waiter("stack_delete_complete").wait(StackName="graph", WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    assert neptune.describe_db_clusters()["DBClusters"] == []
    stacks.create_stack(StackName="again", TemplateBody=template(3))
    stacks.get_waiter("stack_create_complete").wait(StackName="again", WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    with empty_cloud.traversal(empty_cloud.root) as g:
        assert g.V().count().next() == 0
