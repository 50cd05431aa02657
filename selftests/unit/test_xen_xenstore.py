"""xenstore as a second witness: what it says of domains and disks."""

import pytest

from xenlab.errors import CannotObserve
from xenlab.xen.xenstore import BackendDisk, StoredDomain, parse_domains

TEXT = """\
/local/domain/0/name = "Domain-0"
/local/domain/0/backend/vbd/3/51713/params = "/mnt/private/artem/guest1.img"
/local/domain/0/backend/vbd/3/51713/dev = "xvda1"
/local/domain/0/backend/vbd/3/51713/mode = "w"
/local/domain/0/backend/qdisk/5/51712/params = "aio:/srv/b.qcow2"
/local/domain/0/backend/qdisk/5/51712/dev = "hda"
/local/domain/0/backend/qdisk/5/51712/mode = "r"
/local/domain/0/backend/vif/3/0/mac = "00:16:3E:42:40:89"
/local/domain/0/backend/vif/3/0/bridge = "xenbr0"
/local/domain/0/backend/vif/5/0/mac = "00:16:3e:00:00:05"
/local/domain/3/name = "guest1"
/local/domain/5/name = "pay\\x2droll"
"""


def test_domains_with_their_devices() -> None:
    assert parse_domains(TEXT) == (
        StoredDomain(0, "Domain-0"),
        StoredDomain(
            3, "guest1", (BackendDisk("/mnt/private/artem/guest1.img", "xvda1", "w"),), ("00:16:3e:42:40:89",)
        ),
        StoredDomain(5, "pay-roll", (BackendDisk("/srv/b.qcow2", "hda", "r"),)),
    )


@pytest.mark.parametrize("text", ["", '/local/domain/3/name = "guest1"\n', "xenstore-ls: couldn't\n"])
def test_what_is_no_list_of_domains_is_not_understood(text: str) -> None:
    with pytest.raises(CannotObserve):
        parse_domains(text)
