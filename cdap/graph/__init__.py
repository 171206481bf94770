"""The identity graph in Neptune: records, their identifiers, the links between them, and whose they are."""

from cdap.graph.bulk import BulkLoader
from cdap.graph.connection import Graph
from cdap.graph.explanation import Explanation, explain
from cdap.graph.look_up import Holder, look_up
from cdap.graph.publishing import GraphSummary, publish_graph

__all__ = ["BulkLoader", "Explanation", "Graph", "GraphSummary", "Holder", "explain", "look_up", "publish_graph"]
