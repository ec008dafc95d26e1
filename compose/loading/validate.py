"""The JSON Schema against a tree."""

from compose.loading.report import Report
from compose.tree import Node


def validate(tree: Node, report: Report) -> None:
    """Raises InvalidFile with every fault."""
