"""Glue jobs on Spark, which only `make spark` installs: the catalog, frames, S3 and the job's role."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.services.conftest import RunningGateway, free_port
from tests.services.glue.test_jobs import Jobs

ORDERS = "order_id,amount,country\n1,10.50,DE\n2,3.25,AT\n3,,DE\n"


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jobs]:
    running = RunningGateway(tmp_path_factory.mktemp("localcloud"), free_port())
    running.start()
    made = Jobs.on(running)
    name = made.role.rsplit("/", 1)[1]
    allowed = {"Effect": "Allow", "Action": "glue:*", "Resource": "*"}
    made.iam.put_role_policy(
        RoleName=name,
        PolicyName="catalog",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allowed]}),
    )
    yield made
    running.stop()


def run(jobs: Jobs, script: str, **arguments: str) -> dict[str, Any]:
    """The ended run of a script with Spark."""
    command = {**jobs.script(script), "Name": "glueetl"}
    name = f"job-{time.monotonic_ns()}"
    jobs.glue.create_job(Name=name, Role=jobs.role, Command=command, GlueVersion="5.1")
    run_id = jobs.glue.start_job_run(JobName=name, Arguments={f"--{k}": v for k, v in arguments.items()})["JobRunId"]
    deadline = time.monotonic() + 300
    while True:
        found: dict[str, Any] = jobs.glue.get_job_run(JobName=name, RunId=run_id)["JobRun"]
        if found["JobRunState"] in ("SUCCEEDED", "FAILED", "TIMEOUT", "STOPPED"):
            return found
        assert time.monotonic() < deadline
        time.sleep(0.5)


def test_a_crawled_table_becomes_partitioned_parquet(jobs: Jobs) -> None:
    for day in ("2024-01-01", "2024-01-02"):
        jobs.s3.put_object(Bucket=jobs.bucket, Key=f"raw/orders/dt={day}/orders.csv", Body=ORDERS.encode())
    jobs.glue.create_database(DatabaseInput={"Name": "shop"})
    target = {"S3Targets": [{"Path": f"s3://{jobs.bucket}/raw/orders/"}]}
    jobs.glue.create_crawler(Name="orders", Role=jobs.role, DatabaseName="shop", Targets=target)
    jobs.glue.start_crawler(Name="orders")
    while jobs.glue.get_crawler(Name="orders")["Crawler"]["State"] != "READY":
        time.sleep(0.2)
    ended = run(
        jobs,
        "import sys\n"
        "from awsglue.context import GlueContext\n"
        "from awsglue.job import Job\n"
        "from awsglue.transforms import ApplyMapping, Filter\n"
        "from awsglue.utils import getResolvedOptions\n"
        "from pyspark.context import SparkContext\n"
        "given = getResolvedOptions(sys.argv, ['JOB_NAME', 'out'])\n"
        "glue = GlueContext(SparkContext.getOrCreate())\n"
        "job = Job(glue)\n"
        "job.init(given['JOB_NAME'], given)\n"
        "orders = glue.create_dynamic_frame.from_catalog(database='shop', table_name='orders',\n"
        "                                                push_down_predicate=\"dt = '2024-01-02'\")\n"
        "named = ApplyMapping.apply(frame=orders, mappings=[('order_id', 'long', 'id', 'string'),\n"
        "    ('amount', 'double', 'amount', 'decimal(10,2)'), ('country', 'string', 'country', 'string'),\n"
        "    ('dt', 'string', 'dt', 'string')])\n"
        "paid = Filter.apply(frame=named, f=lambda row: row['amount'] is not None)\n"
        "print(orders.count(), paid.count())\n"
        "glue.write_dynamic_frame.from_options(frame=paid, connection_type='s3', format='parquet',\n"
        "    connection_options={'path': given['out'], 'partitionKeys': ['country']})\n"
        "job.commit()\n",
        out=f"s3://{jobs.bucket}/clean/orders/",
    )
    assert ended["JobRunState"] == "SUCCEEDED", (ended["ErrorMessage"], jobs.printed(ended, "error"))
    assert jobs.printed(ended) == ["3 2"]
    rows = []
    for found in jobs.s3.list_objects_v2(Bucket=jobs.bucket, Prefix="clean/orders/")["Contents"]:
        if found["Key"].endswith(".parquet"):
            body = jobs.s3.get_object(Bucket=jobs.bucket, Key=found["Key"])["Body"].read()
            country = found["Key"].split("/")[2]
            rows += [(country, *row.values()) for row in pq.read_table(io.BytesIO(body)).to_pylist()]
    assert sorted((*row[:2], str(row[2]), row[3]) for row in rows) == [
        ("country=AT", "2", "3.25", "2024-01-02"),
        ("country=DE", "1", "10.50", "2024-01-02"),
    ]


def test_spark_reads_and_writes_as_the_role_of_the_job(jobs: Jobs) -> None:
    jobs.s3.create_bucket(Bucket="not-allowed", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    jobs.s3.put_object(Bucket="not-allowed", Key="data/a.json", Body=b'{"a": 1}\n')
    ended = run(
        jobs,
        "from pyspark.sql import SparkSession\n"
        "spark = SparkSession.builder.getOrCreate()\n"
        "spark.read.json('s3://not-allowed/data/').show()\n",
    )
    assert ended["JobRunState"] == "FAILED"
    assert "Failed Line Number: 3" in ended["ErrorMessage"]
    assert any("AccessDenied" in line or "Access Denied" in line for line in jobs.printed(ended, "error"))


def test_a_job_that_is_killed_and_run_again_replaces_what_it_wrote(jobs: Jobs) -> None:
    script = (
        "import sys, time\n"
        "from awsglue.utils import getResolvedOptions\n"
        "from pyspark.sql import SparkSession\n"
        "given = getResolvedOptions(sys.argv, ['out', 'wait'])\n"
        "spark = SparkSession.builder.getOrCreate()\n"
        "spark.range(100000).repartition(8).write.mode('overwrite').parquet(given['out'])\n"
        "time.sleep(float(given['wait']))\n"
    )
    out = f"s3://{jobs.bucket}/numbers/"
    command = {**jobs.script(script), "Name": "glueetl"}
    jobs.glue.create_job(Name="numbers", Role=jobs.role, Command=command)
    run_id = jobs.glue.start_job_run(JobName="numbers", Arguments={"--out": out, "--wait": "600"})["JobRunId"]
    deadline = time.monotonic() + 120
    while not jobs.s3.list_objects_v2(Bucket=jobs.bucket, Prefix="numbers/").get("KeyCount"):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    jobs.glue.batch_stop_job_run(JobName="numbers", JobRunIds=[run_id])
    assert jobs.run_of("numbers", run_id)["JobRunState"] == "STOPPED"
    again = run(jobs, script, out=out, wait="0")
    assert again["JobRunState"] == "SUCCEEDED", again
    keys = [found["Key"] for found in jobs.s3.list_objects_v2(Bucket=jobs.bucket, Prefix="numbers/")["Contents"]]
    bodies = [jobs.s3.get_object(Bucket=jobs.bucket, Key=key)["Body"].read() for key in keys if key.endswith("parquet")]
    ids = sorted(value for body in bodies for value in pq.read_table(io.BytesIO(body))["id"].to_pylist())
    assert ids == list(range(100_000))
