"""Ctrl-C and its kin during a graded run: the first ends the steps, and none cuts off the cleaning-up unasked."""

import signal
import threading
from collections.abc import Callable
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """Takes SIGINT, SIGTERM and SIGHUP from `install` to `uninstall`.

    The first one raises KeyboardInterrupt in the main thread. Once the run is cleaning up, each part of that is told
    by `say` to be waited for at the first signal that comes during it; a second one raises KeyboardInterrupt.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._before: dict[signal.Signals, Callable[[int, FrameType | None], object] | int] = {}
        self._going_on = ""
        self._warned = False
        self._to_its_end = False

    def install(self) -> None:
        """Take the signals, if this is the main thread, where alone Python handles any."""
        if self._before or threading.current_thread() is not threading.main_thread():
            return
        for sign in _SIGNALS:
            before = signal.getsignal(sign)
            if sign is signal.SIGHUP and before is signal.SIG_IGN:
                continue  # nohup: it is to outlive its terminal
            self._before[sign] = signal.SIG_DFL if before is None else before
            signal.signal(sign, self._came)

    def uninstall(self) -> None:
        """Give the signals back to who had them."""
        for sign, handler in self._before.items():
            signal.signal(sign, handler)
        self._before.clear()

    def cleaning_up(self, what: str, *, to_its_end: bool = False) -> None:
        """From now on `what` goes on ("bringing guests home"), which nothing stops where it goes `to_its_end`."""
        self._going_on = what
        self._warned = False
        self._to_its_end = to_its_end

    def _came(self, _sign: int, _frame: FrameType | None) -> None:
        if not self._going_on:
            self.cleaning_up("ending the run")
            raise KeyboardInterrupt
        if self._warned and not self._to_its_end:
            raise KeyboardInterrupt
        self._warned = True
        self._say(f"{self._going_on}, please wait")
