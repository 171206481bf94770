"""The crawler operations: what a crawler is, and its runs.

Source: AWS Glue API Reference, "Crawler API"; AWS Glue Developer Guide, "Customizing crawler behavior".
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from localcloud.base.service import AwsError
from localcloud.engines.crawler.classify import UnreadableObject
from localcloud.engines.crawler.crawl import CrawlStopped, crawl
from localcloud.services.glue.crawler_settings import CrawlerSettings, check_crawler
from localcloud.services.glue.crawler_writer import CatalogWriter, Changes
from localcloud.services.glue.documents import page, role_arn
from localcloud.services.glue.log_stream import LogStream
from localcloud.services.glue.store import Document

if TYPE_CHECKING:
    from localcloud.base.service import Service as Base
else:
    Base = object

PRINCIPAL = "glue.amazonaws.com"
_KEPT_CRAWLS = 100


class CrawlerOperations(Base):
    """Crawlers; `state["crawlers"]` holds their definitions and last runs."""

    def init_crawlers(self) -> None:
        self._crawl_stops: dict[str, threading.Event] = {}
        self._crawl_threads: dict[str, threading.Thread] = {}

    def end_interrupted_crawls(self) -> None:
        """A crawl that was running when the machine ended has failed, and says so."""
        for crawler in self.state["crawlers"].values():
            if crawler["State"] != "READY":
                self._finish(crawler, "FAILED", "the crawl was interrupted by the end of the machine; start it again")

    def stop_running_crawlers(self) -> None:
        for stop in list(self._crawl_stops.values()):
            stop.set()
        for thread in list(self._crawl_threads.values()):
            thread.join(10)

    # definitions -----------------------------------------------------------------------------------------------------

    def create_crawler(
        self,
        Name: str,
        Role: str,
        Targets: Document,
        DatabaseName: str | None = None,
        Description: str | None = None,
        Schedule: str | None = None,
        Classifiers: list[str] | None = None,
        TablePrefix: str | None = None,
        SchemaChangePolicy: Document | None = None,
        RecrawlPolicy: Document | None = None,
        LineageConfiguration: Document | None = None,
        LakeFormationConfiguration: Document | None = None,
        Configuration: str | None = None,
        CrawlerSecurityConfiguration: str | None = None,
        Tags: dict[str, str] | None = None,
    ) -> None:
        given = {
            "Role": role_arn(self.cloud.account_id, Role),
            "Targets": Targets,
            "DatabaseName": DatabaseName,
            "Description": Description,
            "Schedule": Schedule,
            "Classifiers": Classifiers,
            "TablePrefix": TablePrefix,
            "SchemaChangePolicy": SchemaChangePolicy,
            "RecrawlPolicy": RecrawlPolicy,
            "LineageConfiguration": LineageConfiguration,
            "LakeFormationConfiguration": LakeFormationConfiguration,
            "Configuration": Configuration,
            "CrawlerSecurityConfiguration": CrawlerSecurityConfiguration,
        }
        now = time.time()
        crawler: Document = {k: v for k, v in given.items() if v is not None}
        check_crawler(crawler)
        crawler.update(Name=Name, State="READY", CreationTime=now, LastUpdated=now, Version=1, Crawls=[])
        with self.lock:
            if Name in self.state["crawlers"]:
                raise AwsError("AlreadyExistsException", f"Crawler with name {Name} already exists")
            self.state["crawlers"][Name] = crawler
            if Tags:
                self.state["tags"][self.cloud.arn("glue", f"crawler/{Name}")] = dict(Tags)
            self.changed()

    def update_crawler(
        self,
        Name: str,
        Role: str | None = None,
        DatabaseName: str | None = None,
        Description: str | None = None,
        Targets: Document | None = None,
        Schedule: str | None = None,
        Classifiers: list[str] | None = None,
        TablePrefix: str | None = None,
        SchemaChangePolicy: Document | None = None,
        RecrawlPolicy: Document | None = None,
        LineageConfiguration: Document | None = None,
        LakeFormationConfiguration: Document | None = None,
        Configuration: str | None = None,
        CrawlerSecurityConfiguration: str | None = None,
    ) -> None:
        given = {
            "Role": role_arn(self.cloud.account_id, Role) if Role else None,
            "Targets": Targets,
            "DatabaseName": DatabaseName,
            "Description": Description,
            "Schedule": Schedule,
            "Classifiers": Classifiers,
            "TablePrefix": TablePrefix,
            "SchemaChangePolicy": SchemaChangePolicy,
            "RecrawlPolicy": RecrawlPolicy,
            "LineageConfiguration": LineageConfiguration,
            "LakeFormationConfiguration": LakeFormationConfiguration,
            "Configuration": Configuration,
            "CrawlerSecurityConfiguration": CrawlerSecurityConfiguration,
        }
        with self.lock:
            crawler = self._crawler(Name)
            self._refuse_while_running(crawler)
            changed = {**crawler, **{k: v for k, v in given.items() if v is not None}}
            check_crawler(changed)
            changed.update(LastUpdated=time.time(), Version=crawler["Version"] + 1)
            self.state["crawlers"][Name] = changed
            self.changed()

    def delete_crawler(self, Name: str) -> None:
        with self.lock:
            self._refuse_while_running(self._crawler(Name))
            del self.state["crawlers"][Name]
            self.state["tags"].pop(self.cloud.arn("glue", f"crawler/{Name}"), None)
            self.changed()

    def get_crawler(self, Name: str) -> Document:
        with self.lock:
            return {"Crawler": _shown(self._crawler(Name))}

    def get_crawlers(self, MaxResults: int = 100, NextToken: str | None = None) -> Document:
        with self.lock:
            crawlers = [_shown(c) for _, c in sorted(self.state["crawlers"].items())]
        return page(crawlers, "Crawlers", NextToken, MaxResults)

    def batch_get_crawlers(self, CrawlerNames: list[str]) -> Document:
        with self.lock:
            found = [_shown(self.state["crawlers"][n]) for n in CrawlerNames if n in self.state["crawlers"]]
        return {"Crawlers": found, "CrawlersNotFound": [n for n in CrawlerNames if n not in self.state["crawlers"]]}

    def list_crawlers(
        self, MaxResults: int = 100, NextToken: str | None = None, Tags: dict[str, str] | None = None
    ) -> Document:
        wanted = set((Tags or {}).items())
        names = [
            n
            for n in sorted(self.state["crawlers"])
            if wanted <= set(self.state["tags"].get(self.cloud.arn("glue", f"crawler/{n}"), {}).items())
        ]
        return page(names, "CrawlerNames", NextToken, MaxResults)

    def get_crawler_metrics(
        self, CrawlerNameList: list[str] | None = None, MaxResults: int = 100, NextToken: str | None = None
    ) -> Document:
        with self.lock:
            names = CrawlerNameList or sorted(self.state["crawlers"])
            metrics = [_metrics(self._crawler(n)) for n in names]
        return page(metrics, "CrawlerMetricsList", NextToken, MaxResults)

    def list_crawls(self, CrawlerName: str, MaxResults: int = 20, NextToken: str | None = None) -> Document:
        with self.lock:
            crawls = [
                {k: v for k, v in c.items() if k != "Changes"} for c in reversed(self._crawler(CrawlerName)["Crawls"])
            ]
        return page(crawls, "Crawls", NextToken, MaxResults)

    # runs ------------------------------------------------------------------------------------------------------------

    def start_crawler(self, Name: str) -> None:
        with self.lock:
            crawler = self._crawler(Name)
            self._refuse_while_running(crawler)
            settings = check_crawler(crawler)
            if not crawler.get("DatabaseName"):
                raise AwsError("InvalidInputException", f"Crawler {Name} has no DatabaseName to write tables to")
            crawler["State"] = "RUNNING"
            crawler["Crawls"] = [
                *crawler["Crawls"],
                {"CrawlId": str(uuid.uuid4()), "State": "RUNNING", "StartTime": time.time()},
            ][-_KEPT_CRAWLS:]
            stop = self._crawl_stops[Name] = threading.Event()
            self.changed()
        self._crawl_threads[Name] = self.cloud.run(lambda: self._crawl(Name, settings, stop), f"glue-crawler-{Name}")

    def stop_crawler(self, Name: str) -> None:
        with self.lock:
            crawler = self._crawler(Name)
            if crawler["State"] == "STOPPING":
                raise AwsError("CrawlerStoppingException", f"Crawler with name {Name} is stopping")
            if crawler["State"] != "RUNNING":
                raise AwsError("CrawlerNotRunningException", f"Crawler with name {Name} isn't running")
            crawler["State"] = "STOPPING"
            self._crawl_stops[Name].set()
            self.changed()

    def _crawl(self, name: str, settings: CrawlerSettings, stop: threading.Event) -> None:
        changes = Changes()
        status, message = "SUCCEEDED", ""
        log: LogStream | None = None
        try:
            logs = self.cloud.client("logs", settings.role, PRINCIPAL, "AWS-Crawler")
            log = LogStream(logs, "/aws-glue/crawlers", name)
            self._discover(name, settings, stop, changes)
        except CrawlStopped:
            status, message = "CANCELLED", ""
        except AwsError as error:
            status, message = "FAILED", str(error.message)
        except (ClientError, BotoCoreError, UnreadableObject, ValueError) as error:
            status, message = "FAILED", str(error)
        except Exception as error:
            self.log.exception("crawler %s", name)
            status, message = "FAILED", f"{type(error).__name__} in the crawler: see the log"
        if message:
            self.log.warning("crawler %s failed: %s", name, message)
        if log is not None:
            self._write_log(log, self._crawler(name), changes, message)
        with self.lock:
            self._crawl_stops.pop(name, None)
            self._crawl_threads.pop(name, None)
            self._finish(self._crawler(name), status, message, changes)

    def _discover(self, name: str, settings: CrawlerSettings, stop: threading.Event, changes: Changes) -> None:
        s3 = self.cloud.client("s3", settings.role, PRINCIPAL, "AWS-Crawler")
        glue = self.cloud.client("glue", settings.role, PRINCIPAL, "AWS-Crawler")
        try:
            glue.get_database(Name=settings.database)
        except glue.exceptions.EntityNotFoundException:
            # A crawler makes its database when there is none; the amazon provider's system test counts on it.
            glue.create_database(DatabaseInput={"Name": settings.database})
        found = [(t, crawl(s3, t, settings.grouping, stop)) for t in settings.targets]
        writer = CatalogWriter(glue, name, settings, changes)
        for target, tables in found:
            for table in tables:
                if stop.is_set():
                    raise CrawlStopped
                writer.write(target.bucket, table)
        writer.handle_deleted([(t.bucket, t.prefix) for t, _ in found])

    @staticmethod
    def _write_log(log: LogStream, crawler: Document, changes: Changes, message: str) -> None:
        """What a crawl did, in the words of a crawler's log on AWS."""
        crawl_id, database = crawler["Crawls"][-1]["CrawlId"], crawler["DatabaseName"]
        log.write(f"[{crawl_id}] BENCHMARK : Running Start Crawl for Crawler {crawler['Name']}")
        log.write(f"[{crawl_id}] BENCHMARK : Classification complete, writing results to database {database}")
        for table, what in changes.tables.items():
            log.write(f"[{crawl_id}] INFO : {what} table {table} in database {database}")
        end = f"ERROR : {message}" if message else "BENCHMARK : Finished writing to Catalog"
        log.write(f"[{crawl_id}] {end}")
        log.write(f"[{crawl_id}] BENCHMARK : Crawler has finished running and is in state READY")
        log.flush(all_of_it=True)

    def _finish(self, crawler: Document, status: str, message: str, changes: Changes | None = None) -> None:
        with self.lock:
            run = crawler["Crawls"][-1]
            run.update(
                State={"SUCCEEDED": "COMPLETED", "CANCELLED": "STOPPED"}.get(status, status), EndTime=time.time()
            )
            run["Changes"] = changes.counts() if changes else {}
            crawler["State"] = "READY"
            crawler["LastCrawl"] = {"Status": status, "StartTime": run["StartTime"], "MessagePrefix": run["CrawlId"]}
            if message:
                crawler["LastCrawl"]["ErrorMessage"] = run["ErrorMessage"] = message
            self.changed()

    # ---------------------------------------------------------------------------------------------------------------

    def _crawler(self, name: str) -> Document:
        try:
            crawler: Document = self.state["crawlers"][name]
        except KeyError:
            raise AwsError("EntityNotFoundException", f"Crawler with name {name} does not exist") from None
        return crawler

    @staticmethod
    def _refuse_while_running(crawler: Mapping[str, Any]) -> None:
        if crawler["State"] != "READY":
            raise AwsError("CrawlerRunningException", f"Crawler with name {crawler['Name']} has already started")


def _shown(crawler: Mapping[str, Any]) -> Document:
    shown = {k: v for k, v in crawler.items() if k != "Crawls"}
    shown.setdefault("Classifiers", [])
    shown.setdefault("RecrawlPolicy", {"RecrawlBehavior": "CRAWL_EVERYTHING"})
    shown["SchemaChangePolicy"] = {
        "UpdateBehavior": "UPDATE_IN_DATABASE",
        "DeleteBehavior": "DEPRECATE_IN_DATABASE",
        **crawler.get("SchemaChangePolicy", {}),
    }
    shown.setdefault("LineageConfiguration", {"CrawlerLineageSettings": "DISABLE"})
    shown["CrawlElapsedTime"] = 0
    if crawler["State"] != "READY":
        shown["CrawlElapsedTime"] = int((time.time() - crawler["Crawls"][-1]["StartTime"]) * 1000)
    return shown


def _metrics(crawler: Mapping[str, Any]) -> Document:
    ended = [c for c in crawler["Crawls"] if "EndTime" in c]
    runtimes = sorted(c["EndTime"] - c["StartTime"] for c in ended)
    last = ended[-1] if ended else {}
    return {
        "CrawlerName": crawler["Name"],
        "TimeLeftSeconds": 0.0,
        "StillEstimating": crawler["State"] != "READY",
        "LastRuntimeSeconds": last["EndTime"] - last["StartTime"] if last else 0.0,
        "MedianRuntimeSeconds": runtimes[len(runtimes) // 2] if runtimes else 0.0,
        "TablesCreated": 0,
        "TablesUpdated": 0,
        "TablesDeleted": 0,
        **last.get("Changes", {}),
    }
