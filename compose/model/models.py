"""AI models that services use. Source: 15.2 and 15.7 of the Compose file reference."""

from __future__ import annotations

from compose.model.attribute import EMPTY, Extensions, attribute, attributes


@attributes
class Model:
    """A model as an OCI artifact, served by a model runner."""

    name: str = ""
    model: str = attribute()
    context_size: int | None = attribute(default=None, text=False)
    runtime_flags: tuple[str, ...] = ()
    extensions: Extensions = attribute(default=EMPTY, written=False)


@attributes
class ServiceModel:
    """The variables by which a service learns of a model: NAME_URL and NAME_MODEL unless
    renamed."""

    endpoint_var: str = ""
    model_var: str = ""
    extensions: Extensions = attribute(default=EMPTY, written=False)
