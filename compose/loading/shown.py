"""What `config` shows of a project: checked as `up` checks it, without what nothing uses. Source:
17.1."""

from __future__ import annotations

from compose.loading.consistency import check_container_names
from compose.loading.pipeline import load
from compose.loading.report import Report
from compose.loading.request import Loaded, LoadRequest
from compose.loading.select import drop_unused
from compose.model.attribute import replace


def load_shown(request: LoadRequest) -> Loaded:
    """As `load`. Raises InvalidFile for a container name that is given twice as well."""
    loaded = load(request)
    if request.consistency:
        check_container_names(loaded.project, Report())
    if request.all_resources:
        return loaded
    return replace(loaded, project=drop_unused(loaded.project))
