"""What packages are called where, so that a hint names one that the host's distribution has. Pure.

`family` is that of `remote.facts.System`: "debian", "redhat" (XCP-ng, too), "suse", or "" where nobody knows.
"""

_FAMILIES = {"debian": "Debian", "redhat": "Red Hat", "suse": "SUSE"}
PACKAGES = {
    "xen_tools": {"debian": "xen-utils", "redhat": "xen-runtime", "suse": "xen-tools"},
    "nfs_client": {"debian": "nfs-common", "redhat": "nfs-utils", "suse": "nfs-client"},
    "ping": {"debian": "iputils-ping", "redhat": "iputils", "suse": "iputils"},
}
"""By what is needed: xl, mount.nfs, a ping that notes times. Their keys may stand in remedies, in braces."""


def package(needed: str, family: str = "") -> str:
    """What it is called in that family of distributions; where that is none of these, in each of them."""
    names = PACKAGES[needed]
    return names.get(family) or ", ".join(f"{name} ({_FAMILIES[one]})" for one, name in names.items())
