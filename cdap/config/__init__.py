"""Typed loading of `config/`: what a file may say, and errors that name file, line and field."""

from cdap.config.environments import Environment, load_environment
from cdap.config.sources import Column, Source, Table, load_source, load_sources
from cdap.config.yaml_files import load_yaml

__all__ = [
    "Column",
    "Environment",
    "Source",
    "Table",
    "load_environment",
    "load_source",
    "load_sources",
    "load_yaml",
]
