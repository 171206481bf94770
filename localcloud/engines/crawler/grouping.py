"""Which folders are tables and which are partitions of one.

Source: AWS Glue Developer Guide, "How does a crawler determine when to create partitions?" and "Creating a single
schema for each Amazon S3 include path": folders whose schemas are alike are partitions of one table whose root is
the folder above them; folders whose schemas differ are tables of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from localcloud.engines.crawler.classify import Classified
from localcloud.engines.crawler.schema import Column, combinable, merge_columns, similar


@dataclass(frozen=True)
class CrawledObject:
    key: str
    size: int
    classified: Classified


@dataclass
class FoundPartition:
    values: tuple[str, ...]
    folder: str
    columns: list[Column]
    objects: list[CrawledObject]


@dataclass
class FoundTable:
    """A table: its root folder (or single object), its columns, its partition keys and partitions."""

    root: str
    columns: list[Column]
    sample: Classified
    objects: list[CrawledObject]
    partition_keys: list[str] = field(default_factory=list)
    partitions: list[FoundPartition] = field(default_factory=list)


@dataclass
class _Folder:
    path: str
    objects: list[CrawledObject] = field(default_factory=list)
    folders: dict[str, _Folder] = field(default_factory=dict)


# The steps from a table's root to a folder with objects, and the objects there.
_Leaf = tuple[tuple[str, ...], str, list[CrawledObject]]


@dataclass
class _Candidate:
    """Folders below `root` that are alike so far."""

    root: str
    leaves: list[_Leaf]
    columns: list[Column]
    sample: Classified


def group_tables(
    objects: Iterable[CrawledObject], root: str, *, combine_compatible: bool = False, table_level: int | None = None
) -> list[FoundTable]:
    """The tables under the key prefix `root` (empty, or ending with /).

    `table_level` is Glue's TableLevelConfiguration: the absolute depth of a table's root, where the bucket is 1.
    `combine_compatible` joins folders whose schemas do not contradict each other, however unlike they are.
    """
    alike: Callable[[Sequence[Column], Sequence[Column]], bool] = combinable if combine_compatible else similar
    tree = _Folder(root)
    for found in objects:
        steps = found.key[len(root) :].split("/")[:-1]
        folder = tree
        for step in steps:
            folder = folder.folders.setdefault(step, _Folder(f"{folder.path}{step}/"))
        folder.objects.append(found)
    return [_table(c) for c in _resolve(tree, alike, table_level)]


def _resolve(
    folder: _Folder, alike: Callable[[Sequence[Column], Sequence[Column]], bool], table_level: int | None
) -> list[_Candidate]:
    below = [_resolve(f, alike, table_level) for _, f in sorted(folder.folders.items())]
    own = _own_candidates(folder, alike)
    everything = [c for found in below for c in found] + own
    # The bucket is level 1, so a folder's level is its number of steps and one.
    level = folder.path.count("/") + 1
    if table_level is not None and level < table_level:
        return everything
    single = all(
        len(found) == 1 and found[0].root == f.path
        for found, (_, f) in zip(below, sorted(folder.folders.items()), strict=True)
    )
    if not everything or not single or len(own) > 1:
        return everything
    if not folder.folders or not (_one_table(everything, alike) or (table_level == level and _one_format(everything))):
        return everything
    return [_joined(folder, everything)]


def _own_candidates(folder: _Folder, alike: Callable[[Sequence[Column], Sequence[Column]], bool]) -> list[_Candidate]:
    """The objects directly in a folder: one candidate when they are alike, else each kind by itself."""
    groups: list[_Candidate] = []
    for found in sorted(folder.objects, key=lambda o: o.key):
        for group in groups:
            if group.sample.format == found.classified.format and alike(group.columns, found.classified.columns):
                group.columns = merge_columns(group.columns, found.classified.columns)
                group.leaves[0][2].append(found)
                break
        else:
            columns = list(found.classified.columns)
            groups.append(_Candidate(folder.path, [((), folder.path, [found])], columns, found.classified))
    if len(groups) > 1:
        for group in groups:
            # Unlike objects side by side: tables of their own, each named for its first object.
            group.root = group.leaves[0][2][0].key
    return groups


def _one_table(candidates: list[_Candidate], alike: Callable[[Sequence[Column], Sequence[Column]], bool]) -> bool:
    first = candidates[0]
    if len({_depth(c) for c in candidates}) > 1 or not _one_format(candidates):
        return False
    hive = all("=" in c.root.rstrip("/").rsplit("/", 1)[-1] for c in candidates)
    columns = first.columns
    for candidate in candidates[1:]:
        # Folders named key=value say themselves that they are partitions: only a contradiction speaks against it.
        if not (combinable(columns, candidate.columns) if hive else alike(columns, candidate.columns)):
            return False
        columns = merge_columns(columns, candidate.columns)
    return True


def _one_format(candidates: list[_Candidate]) -> bool:
    return len({c.sample.format for c in candidates}) == 1 and len({_depth(c) for c in candidates}) == 1


def _depth(candidate: _Candidate) -> int:
    return len(candidate.leaves[0][0]) + candidate.root.count("/")


def _joined(folder: _Folder, candidates: list[_Candidate]) -> _Candidate:
    leaves: list[_Leaf] = []
    columns: list[Column] = []
    for candidate in candidates:
        columns = merge_columns(columns, candidate.columns)
        step = candidate.root[len(folder.path) :].rstrip("/")
        leaves += [((step, *steps), path, objects) for steps, path, objects in candidate.leaves]
    return _Candidate(folder.path, leaves, columns, candidates[0].sample)


def _table(candidate: _Candidate) -> FoundTable:
    objects = [o for _, _, found in candidate.leaves for o in found]
    keys = _partition_keys([steps for steps, _, _ in candidate.leaves])
    table = FoundTable(candidate.root, candidate.columns, candidate.sample, objects, keys)
    names = {k.lower() for k in keys}
    # A column that is in the files and a partition key would be there twice: the key is the one that is kept.
    table.columns = [c for c in candidate.columns if c.name not in names]
    if keys:
        for steps, path, found in candidate.leaves:
            columns: list[Column] = []
            for one in found:
                columns = merge_columns(columns, one.classified.columns)
            values = tuple(s.split("=", 1)[1] if "=" in s else s for s in steps)
            table.partitions.append(FoundPartition(values, path, [c for c in columns if c.name not in names], found))
    return table


def _partition_keys(paths: list[tuple[str, ...]]) -> list[str]:
    """`key` of `key=value` where every folder of a level has it, else partition_0, partition_1, ..."""
    keys = []
    for level in range(len(paths[0])):
        names = {p[level].split("=", 1)[0] if "=" in p[level] else "" for p in paths}
        name = names.pop() if len(names) == 1 else ""
        keys.append(name.lower() or f"partition_{level}")
    return keys
