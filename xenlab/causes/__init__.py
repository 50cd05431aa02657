"""What words mean: one dictionary of what xl, libxl, ssh, NFS and kernels say, and the readers that use it."""

from xenlab.causes.cause import Blame, Cause, Match, Rank, Side
from xenlab.causes.dictionary import CAUSES, cause_named
from xenlab.causes.disks import disk_trouble
from xenlab.causes.explaining import GuestDidNotSuspend, NotObserved, StateUndefined, XlError, explain
from xenlab.causes.peers import PeerAnswer, peer_answer
from xenlab.causes.reading import find_causes, first_error_line
from xenlab.causes.shares import nfs_trouble
from xenlab.causes.wording import Names, meaning, remedy

__all__ = [
    "CAUSES",
    "Blame",
    "Cause",
    "GuestDidNotSuspend",
    "Match",
    "Names",
    "NotObserved",
    "PeerAnswer",
    "Rank",
    "Side",
    "StateUndefined",
    "XlError",
    "cause_named",
    "disk_trouble",
    "explain",
    "find_causes",
    "first_error_line",
    "meaning",
    "nfs_trouble",
    "peer_answer",
    "remedy",
]
