"""What `stats` prints, as whole texts."""

from compose.output import stats_rows
from compose.reading import UsageOf
from runtime.values import ContainerUsage, RunState
from tests.fakes.stack import container

WEB = container()
BEFORE = ContainerUsage(cpu=1_000_000_000, machine_cpu=10_000_000_000, cpu_count=2)
NOW = ContainerUsage(
    cpu=1_500_000_000,
    machine_cpu=12_000_000_000,
    cpu_count=2,
    memory=1_572_864,
    memory_limit=64 << 20,
    pids=3,
    read=4096,
    received=1234,
    sent=56,
)


def shown(
    usage: ContainerUsage, before: ContainerUsage | None = BEFORE, **words: object
) -> list[str]:
    known = {WEB.id: before} if before else {}
    return stats_rows.show([UsageOf(WEB, usage)], known, **words)


def test_the_table_has_dockers_columns():
    assert shown(NOW) == [
        "CONTAINER ID   NAME         CPU %     MEM USAGE / LIMIT   MEM %     NET I/O        BLOCK I/O    PIDS",
        f"{WEB.id[:12]}   shop-web-1   50.00%    1.5MiB / 64MiB      2.34%     1.23kB / 56B   4.1kB / 0B   3",
    ]


def test_a_template_and_json_have_dockers_fields():
    assert shown(NOW, format="{{.Name}}: {{.CPUPerc}} of {{.MemUsage}}") == [
        "shop-web-1: 50.00% of 1.5MiB / 64MiB"
    ]
    assert shown(NOW, format="json") == [
        '{"BlockIO":"4.1kB / 0B","CPUPerc":"50.00%","Container":"%s","ID":"%s","MemPerc":"2.34%%",'
        '"MemUsage":"1.5MiB / 64MiB","Name":"shop-web-1","NetIO":"1.23kB / 56B","PIDs":"3"}'.replace(
            "%s", WEB.id[:12]
        ).replace("%%", "%")
    ]


def test_what_is_not_known_is_not_made_up():
    assert shown(NOW, None, format="{{.CPUPerc}} {{.PIDs}}") == ["-- 3"]
    ended = container(state=RunState(status="exited"))
    assert stats_rows.show(
        [UsageOf(ended, ContainerUsage())], {}, format="{{.CPUPerc}} {{.MemUsage}} {{.NetIO}}"
    ) == ["-- -- / -- --"]


def test_one_that_was_started_anew_has_used_nothing_yet():
    assert shown(ContainerUsage(machine_cpu=20_000_000_000), format="{{.CPUPerc}}") == ["0.00%"]
