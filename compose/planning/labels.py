"""The labels by which Compose's tools find what belongs to a project. One table, Docker's names.

Source: reference cli.md 5.
"""

from __future__ import annotations

from collections.abc import Mapping

from compose.model.project import Project

PREFIX = "com.docker.compose."
PROJECT = PREFIX + "project"
SERVICE = PREFIX + "service"
NUMBER = PREFIX + "container-number"
ONEOFF = PREFIX + "oneoff"
SLUG = PREFIX + "slug"
CONFIG_HASH = PREFIX + "config-hash"
IMAGE = PREFIX + "image"
IMAGE_VOLUMES = PREFIX + "image-volume-digest"
"""`image=id,...` of the images that it mounts."""
DEPENDS_ON = PREFIX + "depends_on"
WORKING_DIR = PREFIX + "project.working_dir"
CONFIG_FILES = PREFIX + "project.config_files"
ENVIRONMENT_FILE = PREFIX + "project.environment_file"
VERSION = PREFIX + "version"
REPLACE = PREFIX + "replace"
NETWORK = PREFIX + "network"
VOLUME = PREFIX + "volume"
HOOK = PREFIX + "hook"

TOOL_VERSION = "0.1.0"


def of_network(project: Project, key: str, config_hash: str) -> Mapping[str, str]:
    return _resource(project, NETWORK, key, config_hash)


def of_volume(project: Project, key: str, config_hash: str) -> Mapping[str, str]:
    return _resource(project, VOLUME, key, config_hash)


def _resource(project: Project, kind: str, key: str, config_hash: str) -> Mapping[str, str]:
    return {
        PROJECT: project.name,
        kind: key,
        VERSION: TOOL_VERSION,
        CONFIG_HASH: config_hash,
    }
