"""Values survive as JSON, and neighbours of another version understand them (R41)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime import codec, messages
from runtime.values import (
    ContainerOptions,
    ContainerRecord,
    Endpoint,
    HealthOptions,
    Mount,
    PortBinding,
    RestartPolicy,
    RunState,
)


def test_what_stands_at_its_default_is_left_out():
    assert codec.dumps(RunState(status="running", pid=7)) == '{"status":"running","pid":7}'


def test_a_record_with_everything_nested_survives():
    record = ContainerRecord(
        id="a",
        project_id="b",
        options=ContainerOptions(
            project="p",
            name="n",
            environment={"A": "1", "B": None},
            mounts=(Mount(type="bind", source="/a", target="/b", mode=0o755),),
            endpoints=(Endpoint(network="n", links={"x": "y"}),),
            ports=(PortBinding(container_port=80),),
            healthcheck=HealthOptions(test=("CMD", "true"), interval=1.5),
            restart=RestartPolicy(name="always"),
            extra_hosts=(("a", "1.2.3.4"),),
            cpus=1.5,
        ),
    )
    assert codec.loads(ContainerRecord, codec.dumps(record)) == record


def test_a_field_of_a_newer_version_is_ignored():
    assert codec.loads(RunState, '{"status":"exited","novelty":[1]}') == RunState(status="exited")


def test_a_field_that_an_older_version_does_not_send_takes_its_default():
    assert codec.loads(RunState, "{}") == RunState()


@pytest.mark.parametrize("text", ['{"pid":"7"}', "[]", '{"ports":[3]}', '{"probes":7}'])
def test_a_wrong_shape_is_a_value_error(text: str):
    with pytest.raises(ValueError):
        codec.loads(RunState, text)


def test_bytes_survive():
    request = messages.LaunchRequest(
        container_id="a", generation=1, spec={"root": {}}, seccomp_program=b"\0\xff"
    )
    assert codec.loads(messages.LaunchRequest, codec.dumps(request)) == request


@given(st.binary(max_size=200))
def test_any_bytes_are_a_frame_or_a_protocol_error(data: bytes):
    try:
        messages.Frames().feed(data)
    except messages.ProtocolError:
        pass


def test_frames_come_out_whole_however_they_arrive():
    sent = [messages.Hello(), messages.StartContainer(container_id="a" * 1000)]
    stream = b"".join(messages.pack(message, 7) for message in sent)
    frames = messages.Frames()
    arrived = [
        message for i in range(len(stream)) for message, _id, _fds in frames.feed(stream[i : i + 1])
    ]
    assert arrived == sent
