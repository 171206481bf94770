"""Typed loading of `config/`: what a file may say, and errors that name file, line and field."""

from cdap.config.environments import Environment, load_environment
from cdap.config.sources import AppflowSource, DmsSource, Source, load_source, load_sources
from cdap.config.tables import Column, PersonMapping, Table
from cdap.config.yaml_files import load_yaml

__all__ = [
    "AppflowSource",
    "Column",
    "DmsSource",
    "Environment",
    "PersonMapping",
    "Source",
    "Table",
    "load_environment",
    "load_source",
    "load_sources",
    "load_yaml",
]
