"""What `image ls`, `image history`, `image prune`, `system df` and `system prune` print, as whole texts."""

import json

import pytest

from compose.errors import ComposeError
from compose.machine import PrunedSystem
from compose.output import image_tables, usage_tables
from compose.output.filters import select_images
from runtime.values import (
    DiskUsage,
    HistoryLine,
    ImageConfig,
    ImageDetails,
    ImageRecord,
    ImageUsage,
    Pruned,
)
from tests.fakes.stack import container, volume

NOW = 1_000_000_000.0


def image(name: str, *, number: int = 1, age: float = 120, **labels: str) -> ImageRecord:
    return ImageRecord(
        id=f"sha256:{number:064x}",
        name=name,
        digest="sha256:" + "cd" * 32 if name else "",
        size=204_123_456,
        created_at=NOW - age,
        config=ImageConfig(labels=labels),
    )


IMAGES = (
    image("nginx:1.27", number=0xAAAA0001),
    image("registry.example.org:5000/shop/web:latest", number=0xBBBB0001, age=7200),
    image("", number=0xCCCC0001, age=90_000),
    image("shop@sha256:" + "cd" * 32, number=0xDDDD0001, age=90_000_000),
)


def lines(text: str) -> list[str]:
    return [line[4:] for line in text.strip("\n").splitlines() if line.strip()]


def test_image_ls():
    assert image_tables.show_images(IMAGES, format="", now=NOW) == lines(
        """
    REPOSITORY                           TAG       IMAGE ID       CREATED         SIZE
    nginx                                1.27      000000000000   2 minutes ago   204MB
    registry.example.org:5000/shop/web   latest    000000000000   2 hours ago     204MB
    <none>                               <none>    000000000000   25 hours ago    204MB
    shop                                 <none>    000000000000   2 years ago     204MB
    """
    )


def test_image_ls_with_digests_whole_ids_and_templates():
    (shown,) = image_tables.show_images(
        IMAGES[:1],
        format="{{.Repository}}:{{.Tag}} {{.Digest}} {{.Size}} {{.VirtualSize}}",
        now=NOW,
    )
    assert shown == f"nginx:1.27 sha256:{'cd' * 32} 204MB 204.1MB"
    assert image_tables.show_images(IMAGES[:1], format="", digests=True, now=NOW)[0].split() == [
        "REPOSITORY",
        "TAG",
        "DIGEST",
        "IMAGE",
        "ID",
        "CREATED",
        "SIZE",
    ]
    assert image_tables.show_images(IMAGES[:1], format="", quiet=True, truncate=False) == [
        IMAGES[0].id
    ]
    (row,) = image_tables.show_images(IMAGES[:1], format="json", now=NOW)
    assert json.loads(row) == {
        "Containers": "N/A",
        "CreatedAt": json.loads(row)["CreatedAt"],
        "CreatedSince": "2 minutes ago",
        "Digest": "sha256:" + "cd" * 32,
        "ID": "000000000000",
        "Repository": "nginx",
        "SharedSize": "N/A",
        "Size": "204MB",
        "Tag": "1.27",
        "UniqueSize": "N/A",
        "VirtualSize": "204.1MB",
    }


FILTERED = (
    image("nginx:1.27", number=1, age=100, tier="front"),
    image("shop/web:2", number=2, age=200, tier="back"),
    image("ghcr.io/shop/web:latest", number=3, age=300),
    image("", number=4, age=400, tier=""),
)


@pytest.mark.parametrize(
    ("filters", "name", "numbers"),
    [
        ([], "", [1, 2, 3, 4]),
        ([], "nginx", [1]),
        ([], "nginx:1.27", [1]),
        ([], "shop/web", [2]),
        ([], "web", []),
        (["dangling=true"], "", [4]),
        (["dangling=false"], "", [1, 2, 3]),
        (["label=tier"], "", [1, 2, 4]),
        (["label=tier=back"], "", [2]),
        (["label=tier=back", "label=tier=front"], "", []),
        (["label=tier", "dangling=false"], "", [1, 2]),
        (["reference=nginx"], "", [1]),
        (["reference=ngin?:1.*"], "", [1]),
        (["reference=*/web"], "", [2]),
        (["reference=*/*/web:latest"], "", [3]),
        (["reference=*"], "", [1]),
        (["before=shop/web:2"], "", [3, 4]),
        (["since=shop/web:2"], "", [1]),
        (["since=ghcr.io/shop/web"], "", [1, 2]),
        (["until=250s"], "", [3, 4]),
    ],
)
def test_image_ls_filters(filters: list[str], name: str, numbers: list[int]):
    found = select_images(FILTERED, filters, moment=lambda flag, text: NOW - 250, name=name)
    assert [int(record.id[7:], 16) for record in found] == numbers


def test_filters_that_cannot_be_are_refused():
    def select(text: str) -> None:
        select_images(FILTERED, [text], moment=lambda flag, value: NOW)

    with pytest.raises(ComposeError, match="invalid filter 'colour=red'") as caught:
        select("colour=red")
    assert caught.value.hint == "known: before, dangling, label, reference, since, until"
    with pytest.raises(ComposeError, match="no such image: none"):
        select("before=none")


def test_image_history():
    steps = (
        HistoryLine(
            created_at=NOW - 90_000,
            created_by="/bin/sh -c #(nop) ADD file:0123456789 in / and more",
            size=204_123_456,
        ),
        HistoryLine(created_at=NOW - 120, created_by='CMD ["sh"]', comment="buildkit", size=0),
    )
    details = ImageDetails(record=image("web:1", number=0xAB), history=steps)
    assert image_tables.show_history(details, format="", now=NOW) == lines(
        """
    IMAGE          CREATED         CREATED BY                                      SIZE      COMMENT
    000000000000   2 minutes ago   CMD ["sh"]                                      0B        buildkit
    <missing>      25 hours ago    /bin/sh -c #(nop) ADD file:0123456789 in / a…   204MB     """
    )
    exact = image_tables.show_history(details, format="", human=False, now=NOW)
    assert exact[0].split() == ["IMAGE", "CREATED", "AT", "CREATED", "BY", "SIZE", "COMMENT"]
    assert exact[1].split()[:2] == ["000000000000", "2001-09-09T01:44:40Z"]
    plain = image_tables.show_history(
        details, format="{{.CreatedSince}} {{.Size}}", human=False, now=NOW
    )
    assert plain == ["2001-09-09T01:44:40Z 0", "2001-09-08T00:46:40Z 204123456"]


def test_image_prune():
    pruned = Pruned(lines=("Untagged: web:1", "Deleted: sha256:ab"), reclaimed=1_234_567)
    assert image_tables.show_pruned(pruned) == [
        "Deleted Images:",
        "untagged: web:1",
        "deleted: sha256:ab",
        "",
        "Total reclaimed space: 1.235MB",
    ]
    assert image_tables.show_pruned(Pruned()) == ["Total reclaimed space: 0B"]


USAGE = DiskUsage(
    images=(
        ImageUsage(record=IMAGES[0], shared=100_000_000, unique=104_123_456, containers=1),
        ImageUsage(record=IMAGES[1], shared=100_000_000, unique=50_000_000),
    ),
    layers=254_123_456,
    blobs=80_000_000,
    leftovers=1_000_000,
    containers={container().id: 42_000},
    volumes={"shop_data": 1500, "old": 500},
)


def test_system_df():
    volumes = (volume(), volume("old"))
    assert usage_tables.show(USAGE, (container(),), volumes, format="") == lines(
        """
    TYPE            TOTAL     ACTIVE    SIZE      RECLAIMABLE
    Images          2         1         334.1MB   51MB (15%)
    Containers      1         1         42kB      0B (0%)
    Local Volumes   2         0         2kB       2kB (100%)
    Build Cache     0         0         0B        0B
    """
    )


def test_system_df_of_nothing_and_one_by_one():
    assert usage_tables.show(DiskUsage(), (), (), format="{{.Type}} {{.Size}}")[0] == "Images 0B"
    shown = usage_tables.show(USAGE, (container(),), (volume(),), format="", verbose=True, now=NOW)
    assert shown[2].split() == [
        "REPOSITORY",
        "TAG",
        "IMAGE",
        "ID",
        "CREATED",
        "SIZE",
        "SHARED",
        "SIZE",
        "UNIQUE",
        "SIZE",
        "CONTAINERS",
    ]
    assert shown[3].split()[-4:] == ["204MB", "100MB", "104.1MB", "1"]
    assert shown[-1].split() == ["shop_data", "0", "1.5kB"]


def test_system_prune():
    removed = PrunedSystem(
        ("ab",), ("shop_default",), (), Pruned(lines=("Deleted: sha256:x",)), 1500
    )
    assert usage_tables.show_pruned(removed) == [
        "Deleted Containers:",
        "ab",
        "",
        "Deleted Networks:",
        "shop_default",
        "",
        "Deleted Images:",
        "deleted: sha256:x",
        "",
        "Total reclaimed space: 1.5kB",
    ]
