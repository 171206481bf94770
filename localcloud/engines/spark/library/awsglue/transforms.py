"""Transforms of DynamicFrames, as classes with `apply`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .dynamicframe import DynamicFrame


class ApplyMapping:
    @staticmethod
    def apply(frame: DynamicFrame, mappings: Sequence[Any], **options: Any) -> DynamicFrame:
        return frame.apply_mapping(mappings)


class SelectFields:
    @staticmethod
    def apply(frame: DynamicFrame, paths: Sequence[str], **options: Any) -> DynamicFrame:
        return frame.select_fields(paths)


class DropFields:
    @staticmethod
    def apply(frame: DynamicFrame, paths: Sequence[str], **options: Any) -> DynamicFrame:
        return frame.drop_fields(paths)


class RenameField:
    @staticmethod
    def apply(frame: DynamicFrame, old_name: str, new_name: str, **options: Any) -> DynamicFrame:
        return frame.rename_field(old_name, new_name)


class ResolveChoice:
    @staticmethod
    def apply(frame: DynamicFrame, specs: Sequence[tuple[str, str]] = (), **options: Any) -> DynamicFrame:
        return frame.resolveChoice(specs)


class Filter:
    @staticmethod
    def apply(frame: DynamicFrame, f: Callable[[dict[str, Any]], bool], **options: Any) -> DynamicFrame:
        return frame.filter(f)


class Map:
    @staticmethod
    def apply(frame: DynamicFrame, f: Callable[[dict[str, Any]], dict[str, Any]], **options: Any) -> DynamicFrame:
        return frame.map(f)


class Join:
    @staticmethod
    def apply(
        frame1: DynamicFrame, frame2: DynamicFrame, keys1: Sequence[str], keys2: Sequence[str], **options: Any
    ) -> DynamicFrame:
        return frame1.join(keys1, keys2, frame2)
