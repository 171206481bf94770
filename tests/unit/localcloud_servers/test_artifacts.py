"""Jars: pinned by hash, taken from the cache only when whole."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from localcloud.servers import artifacts
from localcloud.servers.artifacts import ArtifactError, Jar


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LOCALCLOUD_CACHE", str(tmp_path))
    return tmp_path


class Downloaded:
    """What Maven would hand over."""

    def __init__(self, content: bytes, folder: Path) -> None:
        self.content, self.folder = content, folder

    def resolve(self) -> Path:
        self.folder.mkdir(parents=True)
        path = self.folder / "x.jar"
        path.write_bytes(self.content)
        return path


def pin(monkeypatch: pytest.MonkeyPatch, content: bytes, downloaded: bytes) -> Jar:
    jar = Jar("org.example:thing:1.0", hashlib.sha256(content).hexdigest(), len(content))
    monkeypatch.setattr(artifacts, "pinned_jars", lambda server: [jar])
    monkeypatch.setattr(artifacts, "_maven_artifact", lambda coordinate, folder: Downloaded(downloaded, folder))
    return jar


def test_a_fetched_jar_is_used_and_not_fetched_again(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jar = pin(monkeypatch, b"content", b"content")
    seen: list[tuple[int, int]] = []
    assert artifacts.fetch(lambda there, total: seen.append((there, total)), servers=("s",)) == 1
    assert seen == [(0, 7), (7, 7)]
    assert artifacts.class_path("s") == [jar.path] == [cache / "maven/org/example/thing/1.0/thing-1.0.jar"]
    assert artifacts.fetch(servers=("s",)) == 0


def test_a_jar_that_is_not_the_pinned_one_never_enters_the_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pin(monkeypatch, b"content", b"c0ntent")
    with pytest.raises(ArtifactError, match=r"org.example:thing:1.0 as downloaded is not the pinned one"):
        artifacts.fetch(servers=("s",))
    assert [path for path in cache.rglob("*") if path.is_file()] == []


def test_a_damaged_jar_is_fetched_again(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jar = pin(monkeypatch, b"content", b"content")
    artifacts.fetch(servers=("s",))
    jar.path.write_bytes(b"c0ntent")
    assert artifacts.fetch(servers=("s",)) == 1
    assert jar.path.read_bytes() == b"content"


def test_a_missing_jar_says_how_to_get_it(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pin(monkeypatch, b"content", b"content")
    with pytest.raises(ArtifactError, match="localcloud fetch"):
        artifacts.class_path("s")


def test_a_download_that_fails_names_the_jar(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pin(monkeypatch, b"content", b"content")

    def broken(coordinate: str, folder: Path) -> Any:
        class Broken:
            def resolve(self) -> Path:
                raise RuntimeError("no route to host")

        return Broken()

    monkeypatch.setattr(artifacts, "_maven_artifact", broken)
    with pytest.raises(ArtifactError, match=r"org.example:thing:1.0 could not be downloaded: no route to host"):
        artifacts.fetch(servers=("s",))


def test_every_jar_of_the_search_server_is_pinned_with_hash_and_size() -> None:
    jars = artifacts.pinned_jars("opensearch")
    assert any(jar.coordinate == "org.opensearch:opensearch:2.19.1" for jar in jars)
    assert all(len(jar.sha256) == 64 and jar.size > 0 for jar in jars)
    assert len({jar.coordinate for jar in jars}) == len(jars)
