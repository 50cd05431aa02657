"""XCP-ng and XenServer: what xe, xapi and xenopsd say, where xl is not the way to move guests."""

from xenlab.causes.cause import Cause

_XAPI = "xapi: ocaml/idl/datamodel_errors.ml"

XAPI = (
    Cause(
        id="xapi-cpu-incompatible",
        patterns=(
            "VM_INCOMPATIBLE_WITH_THIS_HOST",
            "The VM is incompatible with the CPU features of this host",
            "VM last booted on a CPU with features this host's CPU does not have",
        ),
        meaning="the guest uses CPU features that the target does not have",
        side="target",
        remedy="boot the guest once more within the pool, so that it sees the features that all hosts have",
        example="The VM is incompatible with the CPU features of this host.",
        source=_XAPI,
    ),
    Cause(
        id="xapi-memory-short",
        patterns=(
            "HOST_NOT_ENOUGH_FREE_MEMORY",
            "Not enough host memory is available to perform this operation",
            "Not enough server memory is available to perform this operation",
        ),
        meaning="too little free memory on the target",
        side="target",
        remedy="lower the guest's memory, or free some on the target (`xe host-compute-free-memory`)",
        example="Not enough host memory is available to perform this operation.",
        source=_XAPI,
    ),
    Cause(
        id="xapi-storage-not-shared",
        patterns=("VM_REQUIRES_SR", "which doesn't have access to an SR needed by the VM"),
        meaning="the target does not see the storage of the guest's disks",
        side="target",
        remedy="the disks must be on a shared SR (NFS) that is plugged on both hosts: `xe pbd-list sr-uuid=...`",
        example="You attempted to run a VM on a host which doesn't have access to an SR needed by the VM.",
        source=_XAPI,
    ),
    Cause(
        id="xapi-guest-lacks-drivers",
        patterns=(
            "VM_MISSING_PV_DRIVERS",
            "VM_LACKS_FEATURE",
            "drivers were not detected",
            "VM_FAILED_SHUTDOWN_ACKNOWLEDGMENT",
            "cooperative suspend feature on a VM which lacks it",
            "cooperative shutdown feature on a VM which lacks it",
        ),
        meaning="the guest has no Xen drivers or tools, so it does not act on requests to move or shut down",
        side="guest",
        remedy="install the guest tools in it, and wait until it has booted",
        example="You attempted an operation on a VM which requires PV drivers to be installed but the drivers were "
        "not detected.",
        source=_XAPI,
    ),
    Cause(
        id="xapi-guest-in-other-state",
        patterns=(
            "VM_BAD_POWER_STATE",
            "not in an appropriate power state at the time",
            "OTHER_OPERATION_IN_PROGRESS",
            "Another operation involving the object is currently in progress",
        ),
        meaning="the guest is not in the state that this needs, or something else is under way with it",
        side="guest",
        remedy="see `xe vm-list params=name-label,power-state,current-operations`",
        example="You attempted an operation on a VM that was not in an appropriate power state at the time; for "
        "example, you attempted to start a VM that was already running.",
        source=_XAPI,
    ),
    Cause(
        id="xapi-network-missing",
        patterns=("BRIDGE_NOT_AVAILABLE", "Could not find bridge required by VM", "HOST_HAS_NO_PIF"),
        meaning="the target has no network of the guest's",
        side="target",
        remedy="the network needs a PIF on both hosts: `xe pif-list network-uuid=...`",
        example="Could not find bridge required by VM.",
        source=_XAPI,
    ),
    Cause(
        id="xapi-host-not-there",
        patterns=("HOST_OFFLINE", "CANNOT_CONTACT_HOST", "involves a host which could not be contacted"),
        meaning="the pool cannot reach the target",
        side="target",
        remedy="is it up, and xapi at work on it (`systemctl status xapi`)?",
        example="You attempted an operation which involves a host which could not be contacted.",
        source=_XAPI,
    ),
    Cause(
        id="xapi-storage-backend",
        patterns=("SR_BACKEND_FAILURE_{number}", "NFS mount error"),
        meaning="the storage manager of {host} failed",
        side="server",
        remedy="see /var/log/SMlog on {host}, and the NFS server's exports",
        example="Error code: SR_BACKEND_FAILURE_73",
        source="xapi: sm, /var/log/SMlog",
    ),
    Cause(
        id="xapi-internal-error",
        patterns=("xenopsd internal error: {what...}", "xenopsd error: {what...}", "INTERNAL_ERROR({what...})"),
        meaning="XCP-ng's own service failed: {what}",
        side="host",
        remedy="see /var/log/xensource.log on {host}",
        example="xenopsd internal error: Xenops_interface.Xenopsd_error([S(Does_not_exist);[S(domain);S(guest1)]])",
        source="xapi: xenopsd",
    ),
)
