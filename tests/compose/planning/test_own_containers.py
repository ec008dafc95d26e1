"""Who lives in another's namespaces, under whatever name the file gives it."""

from compose.planning.own_containers import join_own_containers
from tests.fakes.projects import project_of


def seen(text: str) -> str:
    """Each service that shares something, as planning sees it."""
    lines = []
    for name, service in join_own_containers(project_of(text)).services.items():
        modes = (service.network_mode, service.ipc, service.pid, *service.volumes_from)
        needs = [f"{k} restart={d.restart}" for k, d in service.depends_on.items()]
        if said := " ".join(filter(None, (*modes, *needs))):
            lines.append(f"{name}: {said}")
    return "\n".join(lines)


def test_the_name_of_a_container_of_the_project_means_its_service():
    text = """
      name: p
      services:
        vpn: {image: v, container_name: my-vpn}
        app: {image: a, network_mode: "container:my-vpn", depends_on: [vpn]}
        log: {image: l, network_mode: "container:p-app-1", volumes_from: ["container:my-vpn:ro"]}
    """
    assert seen(text) == (
        "app: service:vpn vpn restart=True\n"
        "log: service:app vpn:ro app restart=True vpn restart=False"
    )


def test_another_name_is_a_container_of_somebody_else():
    text = """
      name: p
      services:
        vpn: {image: v, container_name: my-vpn, profiles: [asleep]}
        app: {image: a, network_mode: "container:my-vpn", pid: "container:p-vpn-1"}
    """
    assert seen(text) == "app: container:my-vpn container:p-vpn-1"


def test_who_lives_with_a_service_is_restarted_with_it_whatever_depends_on_says():
    text = """
      services:
        vpn: {image: v}
        app: {image: a, network_mode: "service:vpn", depends_on: [vpn]}
        web: {image: w, depends_on: [vpn]}
    """
    assert seen(text) == "app: service:vpn vpn restart=True\nweb: vpn restart=False"
