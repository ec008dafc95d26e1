"""Frozen values behave as the standard frozen dataclasses do, and cost little to define."""

import copy
import dataclasses
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from runtime.frozen import dataclass, field, frozen

TOP = Path(__file__).resolve().parents[2]


@frozen
class Port:
    """One port."""

    number: int
    protocol: str = "tcp"
    labels: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostPort(Port):
    address: str = "0.0.0.0"

    @property
    def shown(self) -> str:
        return f"{self.address}:{self.number}"


def test_fields_take_their_defaults_and_show_in_the_repr():
    assert repr(Port(number=80)) == "Port(number=80, protocol='tcp', labels={})"


def test_a_default_factory_makes_a_value_for_each_instance():
    assert Port(number=1).labels is not Port(number=1).labels


def test_a_subclass_has_the_fields_of_its_base_first():
    assert repr(HostPort(number=80)) == (
        "HostPort(number=80, protocol='tcp', labels={}, address='0.0.0.0')"
    )
    assert HostPort(number=80).shown == "0.0.0.0:80"


def test_values_are_compared_by_their_fields_and_their_class():
    assert Port(number=80) == Port(number=80)
    assert Port(number=80) != Port(number=81)
    assert Port(number=80) != HostPort(number=80)


def test_equal_values_hash_equally():
    @frozen
    class Name:
        text: str

    assert {Name(text="a"), Name(text="a")} == {Name(text="a")}


@pytest.mark.parametrize(
    "change", [lambda port: setattr(port, "number", 1), lambda port: delattr(port, "number")]
)
def test_a_value_cannot_be_changed(change):
    with pytest.raises(dataclasses.FrozenInstanceError):
        change(Port(number=80))


def test_a_value_has_no_room_for_other_attributes():
    assert not hasattr(Port(number=80), "__dict__")


def test_missing_unknown_and_positional_arguments_are_refused():
    for arguments, words in (((), {}), ((), {"number": 1, "bogus": 2}), ((80,), {})):
        with pytest.raises(TypeError):
            Port(*arguments, **words)


def test_the_functions_of_the_standard_module_work():
    assert dataclasses.is_dataclass(Port)
    assert [one.name for one in dataclasses.fields(HostPort)] == [
        "number",
        "protocol",
        "labels",
        "address",
    ]
    assert dataclasses.replace(Port(number=80), number=81) == Port(number=81)
    assert dataclasses.asdict(Port(number=80)) == {"number": 80, "protocol": "tcp", "labels": {}}


def test_values_can_be_copied_and_pickled():
    port = HostPort(number=80, labels={"a": "b"})
    assert copy.deepcopy(port) == port
    assert pickle.loads(pickle.dumps(port)) == port


def test_without_frozen_the_fields_can_be_set_and_there_is_no_hash():
    @dataclass(slots=True, kw_only=True)
    class Count:
        number: int = 0

    @dataclass(slots=True, kw_only=True)
    class NamedCount(Count):
        name: str

    count = NamedCount(name="a")
    count.number += 1
    assert count == NamedCount(name="a", number=1)
    assert not hasattr(count, "__dict__")
    with pytest.raises(TypeError):
        hash(count)


def test_other_promises_than_slots_and_keywords_are_refused():
    with pytest.raises(TypeError):
        dataclass(frozen=True, slots=False, kw_only=True)


@pytest.mark.parametrize("module", ["runtime.values", "runtime.keeper.inits"])
def test_importing_loads_neither_dataclasses_nor_inspect(module: str):
    script = f"import sys, {module}; print({{'dataclasses', 'inspect'}} & sys.modules.keys())"
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=TOP, capture_output=True, text=True, check=True
    )
    assert run.stdout == "set()\n"
