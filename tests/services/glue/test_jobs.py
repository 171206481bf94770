"""Jobs on a running local cloud: definitions, and runs of scripts without Spark; with it: tests/acceptance."""

from __future__ import annotations

import json
import secrets
import signal
import time
from dataclasses import dataclass
from typing import Any

import psutil
import pytest
from botocore.exceptions import ClientError

ENDED = ("SUCCEEDED", "FAILED", "STOPPED", "TIMEOUT")


@dataclass
class Jobs:
    """One test's bucket, and a role for jobs."""

    glue: Any
    s3: Any
    logs: Any
    iam: Any
    bucket: str
    role: str

    @classmethod
    def on(cls, gateway: Any) -> Jobs:
        name = "jobs-" + secrets.token_hex(4)
        iam, s3 = gateway.client("iam"), gateway.client("s3")
        trust = _policy([{"Principal": {"Service": "glue.amazonaws.com"}, "Action": "sts:AssumeRole"}])
        role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
        allowed = [{"Action": "s3:*", "Resource": [f"arn:aws:s3:::{name}", f"arn:aws:s3:::{name}/*"]},
                   {"Action": "logs:*", "Resource": "*"}]  # fmt: skip
        iam.put_role_policy(RoleName=name, PolicyName="allow", PolicyDocument=_policy(allowed))
        s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": gateway.region})
        return cls(gateway.client("glue"), s3, gateway.client("logs"), iam, name, role)

    def script(self, text: str) -> dict[str, str]:
        key = f"scripts/{secrets.token_hex(4)}.py"
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=text.encode())
        return {"Name": "pythonshell", "ScriptLocation": f"s3://{self.bucket}/{key}"}

    def create(self, text: str, **settings: Any) -> str:
        name = "job-" + secrets.token_hex(4)
        self.glue.create_job(Name=name, Role=self.role, Command=self.script(text), **settings)
        return name

    def run_of(self, name: str, run_id: str, *states: str) -> dict[str, Any]:
        deadline = time.monotonic() + 60
        while True:
            run: dict[str, Any] = self.glue.get_job_run(JobName=name, RunId=run_id)["JobRun"]
            if run["JobRunState"] in (states or ENDED):
                return run
            assert time.monotonic() < deadline, run
            time.sleep(0.05)

    def run(self, name: str, **settings: Any) -> dict[str, Any]:
        return self.run_of(name, self.glue.start_job_run(JobName=name, **settings)["JobRunId"])

    def printed(self, run: dict[str, Any], stream: str = "output") -> list[str]:
        pages = self.logs.get_paginator("filter_log_events").paginate(
            logGroupName=f"/aws-glue/jobs/{stream}", logStreamNames=[run["Id"]]
        )
        return [event["message"] for page in pages for event in page["events"]]


def _policy(statements: list[dict[str, Any]]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **one} for one in statements]})


@pytest.fixture
def jobs(gateway: Any) -> Jobs:
    return Jobs.on(gateway)


def test_a_run_has_its_arguments_and_role_and_leaves_its_output_in_logs(jobs: Jobs) -> None:
    jobs.s3.put_object(Bucket=jobs.bucket, Key="modules/shared.py", Body=b"WORD = 'imported'\n")
    name = jobs.create(
        "import sys, boto3, shared\n"
        "from awsglue.utils import getResolvedOptions\n"
        "given = getResolvedOptions(sys.argv, ['day', 'country', 'fixed'])\n"
        "print(shared.WORD, given['day'], given['country'], given['fixed'])\n"
        f"boto3.client('s3').put_object(Bucket={jobs.bucket!r}, Key='out/' + given['day'], Body=b'done')\n"
        "print(boto3.client('sts').get_caller_identity()['Arn'], file=sys.stderr)\n",
        DefaultArguments={"--day": "2024-01-01", "--country": "DE", "--enable-metrics": "true",
                          "--extra-py-files": f"s3://{jobs.bucket}/modules/shared.py"},
        NonOverridableArguments={"--fixed": "kept"},
    )  # fmt: skip
    run = jobs.run(name, Arguments={"--day": "2024-01-02", "--fixed": "changed"})
    assert run["JobRunState"] == "SUCCEEDED", run.get("ErrorMessage")
    assert jobs.printed(run) == ["imported 2024-01-02 DE kept"]
    assert jobs.role.rsplit("/", 1)[1] in jobs.printed(run, "error")[-1]
    assert jobs.s3.get_object(Bucket=jobs.bucket, Key="out/2024-01-02")["Body"].read() == b"done"
    assert run["Arguments"] == {"--day": "2024-01-02", "--fixed": "changed"} and run["Attempt"] == 0
    assert run["CompletedOn"] >= run["StartedOn"] and run["LogGroupName"] == "/aws-glue/jobs"


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("x = 1\nraise ValueError('no such day')\n", "Failed Line Number: 2; ValueError: no such day"),
        ("import sys\nsys.exit(3)\n", "SystemExit: 3"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n", "the script ended by signal 9"),
    ],
)
def test_a_script_that_fails_fails_its_run_and_says_why(jobs: Jobs, script: str, message: str) -> None:
    run = jobs.run(jobs.create(script))
    assert (run["JobRunState"], run["ErrorMessage"]) == ("FAILED", message)


def test_a_script_ends_well_by_sys_exit_of_nothing(jobs: Jobs) -> None:
    assert jobs.run(jobs.create("import sys\nsys.exit(0)\n"))["JobRunState"] == "SUCCEEDED"


def test_what_the_role_may_not_do_is_refused(jobs: Jobs) -> None:
    other = "jobs-" + secrets.token_hex(4)
    jobs.s3.create_bucket(Bucket=other, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    read = f"import boto3\nboto3.client('s3').put_object(Bucket={other!r}, Key='x', Body=b'')\n"
    run = jobs.run(jobs.create(read))
    assert run["JobRunState"] == "FAILED" and "AccessDenied" in run["ErrorMessage"]
    name = jobs.create("print(1)\n")
    jobs.glue.update_job(
        JobName=name,
        JobUpdate={"Role": jobs.role, "Command": {"Name": "pythonshell", "ScriptLocation": f"s3://{other}/s.py"}},
    )
    run = jobs.run(name)
    assert run["JobRunState"] == "FAILED" and run["ErrorMessage"].startswith(
        f"LAUNCH ERROR | Error downloading from S3 for bucket: {other}, key: s.py."
    )


def test_a_failed_run_is_tried_again_as_often_as_its_job_says(jobs: Jobs) -> None:
    name = jobs.create(
        "import boto3\n"
        f"s3, bucket = boto3.client('s3'), {jobs.bucket!r}\n"
        "tries = s3.list_objects_v2(Bucket=bucket, Prefix='tries/').get('KeyCount', 0)\n"
        "s3.put_object(Bucket=bucket, Key=f'tries/{tries}', Body=b'')\n"
        "assert tries == 1\n",
        MaxRetries=2,
    )
    first = jobs.run(name, Timeout=7)
    assert first["JobRunState"] == "FAILED"
    second = jobs.run_of(name, f"{first['Id']}_attempt_1")
    assert (second["JobRunState"], second["Attempt"], second["PreviousRunId"]) == ("SUCCEEDED", 1, first["Id"])
    assert second["Timeout"] == 7
    assert [run["Id"] for run in jobs.glue.get_job_runs(JobName=name)["JobRuns"]] == [second["Id"], first["Id"]]


def test_a_run_is_stopped_with_all_that_it_started_and_only_so_many_run_at_once(jobs: Jobs) -> None:
    name = jobs.create(
        "import subprocess, time\n"
        "child = subprocess.Popen(['sleep', '600'])\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    run_id = jobs.glue.start_job_run(JobName=name)["JobRunId"]
    jobs.run_of(name, run_id, "RUNNING")
    with pytest.raises(ClientError, match="ConcurrentRunsExceeded"):
        jobs.glue.start_job_run(JobName=name)
    deadline = time.monotonic() + 30
    while not (lines := jobs.printed({"Id": run_id})) and time.monotonic() < deadline:
        time.sleep(0.1)
    answer = jobs.glue.batch_stop_job_run(JobName=name, JobRunIds=[run_id, "jr_unknown"])
    assert [one["JobRunId"] for one in answer["SuccessfulSubmissions"]] == [run_id]
    assert [one["ErrorDetail"]["ErrorCode"] for one in answer["Errors"]] == ["EntityNotFoundException"]
    assert jobs.run_of(name, run_id)["JobRunState"] == "STOPPED"
    try:
        assert psutil.Process(int(lines[0])).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        assert not psutil.pid_exists(int(lines[0]))
    again = jobs.glue.batch_stop_job_run(JobName=name, JobRunIds=[run_id])
    assert again["Errors"][0]["ErrorDetail"]["ErrorCode"] == "InvalidInputException"


def test_a_job_is_read_listed_updated_and_deleted(jobs: Jobs) -> None:
    name = jobs.create("print(1)\n", Description="first", Timeout=5, Tags={"team": "data"},
                       WorkerType="G.2X", NumberOfWorkers=3)  # fmt: skip
    job = jobs.glue.get_job(JobName=name)["Job"]
    assert (job["Description"], job["Timeout"], job["MaxCapacity"], job["GlueVersion"]) == ("first", 5, 6.0, "5.1")
    assert job["ExecutionProperty"] == {"MaxConcurrentRuns": 1}
    assert jobs.glue.list_jobs(Tags={"team": "data"})["JobNames"] == [name]
    assert name in {one["Name"] for page in jobs.glue.get_paginator("get_jobs").paginate() for one in page["Jobs"]}
    with pytest.raises(jobs.glue.exceptions.AlreadyExistsException):
        jobs.glue.create_job(Name=name, Role=jobs.role, Command=job["Command"])
    # The definition is overwritten by an update as a whole.
    jobs.glue.update_job(JobName=name, JobUpdate={"Role": jobs.role, "Command": job["Command"], "MaxRetries": 1})
    job = jobs.glue.get_job(JobName=name)["Job"]
    assert ("Description" in job, job["Timeout"], job["MaxRetries"]) == (False, 480, 1)
    jobs.glue.delete_job(JobName=name)
    assert jobs.glue.delete_job(JobName=name)["JobName"] == name
    with pytest.raises(jobs.glue.exceptions.EntityNotFoundException):
        jobs.glue.get_job(JobName=name)
    with pytest.raises(jobs.glue.exceptions.EntityNotFoundException):
        jobs.glue.start_job_run(JobName=name)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"DefaultArguments": {"--additional-python-modules": "polars"}}, "additional-python-modules"),
        ({"DefaultArguments": {"--job-bookmark-option": "job-bookmark-enable"}}, "bookmarks"),
        ({"Command": {"Name": "gluestreaming", "ScriptLocation": "s3://b/s.py"}}, "gluestreaming"),
        ({"Command": {"Name": "glueetl", "ScriptLocation": "scripts/s.py"}}, "s3://bucket/key"),
        ({"GlueVersion": "2.0"}, "GlueVersion 2.0"),
        ({"WorkerType": "G.1X"}, "Number of Workers"),
        ({"SecurityConfiguration": "strict"}, "SecurityConfiguration"),
    ],
)
def test_what_a_job_here_cannot_be_is_refused(jobs: Jobs, settings: dict[str, Any], message: str) -> None:
    given = {"Command": {"Name": "glueetl", "ScriptLocation": f"s3://{jobs.bucket}/s.py"}, **settings}
    with pytest.raises(ClientError, match=message):
        jobs.glue.create_job(Name="refused", Role=jobs.role, **given)


def test_a_run_that_the_end_of_the_machine_interrupts_has_failed(own_gateway: Any) -> None:
    own_gateway.start()
    jobs = Jobs.on(own_gateway)
    name = jobs.create("import time\ntime.sleep(600)\n")
    run_id = jobs.glue.start_job_run(JobName=name)["JobRunId"]
    jobs.run_of(name, run_id, "RUNNING")
    own_gateway.stop(signal.SIGKILL)
    own_gateway.start()
    run = jobs.glue.get_job_run(JobName=name, RunId=run_id)["JobRun"]
    assert run["JobRunState"] == "FAILED" and "interrupted" in run["ErrorMessage"]


def test_a_job_of_a_stack(jobs: Jobs, gateway: Any) -> None:
    name = "stack-" + secrets.token_hex(4)
    cloudformation = gateway.client("cloudformation")

    def body(retries: int) -> str:
        properties = {"Name": name, "Role": jobs.role, "MaxRetries": retries, "DefaultArguments": {"--day": "x"},
                      "Command": {"Name": "pythonshell", "ScriptLocation": f"s3://{jobs.bucket}/s.py"}}  # fmt: skip
        return json.dumps({"Resources": {"Job": {"Type": "AWS::Glue::Job", "Properties": properties}}})

    cloudformation.create_stack(StackName=name, TemplateBody=body(1))
    cloudformation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
    cloudformation.update_stack(StackName=name, TemplateBody=body(2))
    cloudformation.get_waiter("stack_update_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
    job = jobs.glue.get_job(JobName=name)["Job"]
    assert (job["MaxRetries"], job["DefaultArguments"]) == (2, {"--day": "x"})
    cloudformation.delete_stack(StackName=name)
    cloudformation.get_waiter("stack_delete_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
    assert jobs.glue.batch_get_jobs(JobNames=[name])["JobsNotFound"] == [name]
