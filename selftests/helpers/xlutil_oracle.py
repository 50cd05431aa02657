"""The real libxlutil, asked through ctypes: a program of its own, so that a library that aborts ends no test run.

It reads questions from stdin, one JSON list a line, and writes an answer a line: ["config", text, keys] and
["disk", spec]. Texts are UTF-8 to the library. Its first argument is libxlutil, its second libxenlight.
"""

import ctypes
import json
import sys
from ctypes import POINTER, byref, c_char_p, c_int, c_long, c_void_p
from typing import Any

Answer = Any


class Library:
    """The functions of both libraries that are asked."""

    def __init__(self, xlutil: str, xenlight: str) -> None:
        libc = ctypes.CDLL(None)
        libc.fopen.restype = c_void_p
        self.free = libc.free
        self.free.argtypes = [c_void_p]
        self.nowhere = c_void_p(libc.fopen(b"/dev/null", b"w"))
        self.xl = ctypes.CDLL(xenlight, mode=ctypes.RTLD_GLOBAL)
        self.xl.libxl_device_disk_to_json.restype = c_void_p
        self.xlu = ctypes.CDLL(xlutil)
        self.xlu.xlu_cfg_init.restype = c_void_p
        self.xlu.xlu_cfg_init.argtypes = [c_void_p, c_char_p]
        self.xlu.xlu_cfg_destroy.argtypes = [c_void_p]
        self.xlu.xlu_cfg_readdata.argtypes = [c_void_p, c_char_p, c_int]
        self.xlu.xlu_cfg_get_string.argtypes = [c_void_p, c_char_p, POINTER(c_char_p), c_int]
        self.xlu.xlu_cfg_get_long.argtypes = [c_void_p, c_char_p, POINTER(c_long), c_int]
        self.xlu.xlu_cfg_get_list.argtypes = [c_void_p, c_char_p, POINTER(c_void_p), POINTER(c_int), c_int]
        self.xlu.xlu_cfg_get_listitem2.restype = c_void_p
        self.xlu.xlu_cfg_get_listitem2.argtypes = [c_void_p, c_int]
        self.xlu.xlu_cfg_value_get_string.argtypes = [c_void_p, c_void_p, POINTER(c_char_p), c_int]
        self.xlu.xlu_cfg_value_get_list.argtypes = [c_void_p, c_void_p, POINTER(c_void_p), c_int]
        self.xlu.xlu_disk_parse.argtypes = [c_void_p, c_int, POINTER(c_char_p), c_void_p]

    def config(self, text: str, keys: list[str]) -> Answer:
        """None where the text is refused, or else for each key that it has: [its value, its number or None]."""
        config = self.xlu.xlu_cfg_init(self.nowhere, b"oracle")
        data = text.encode("utf-8", "surrogateescape")
        try:
            if self.xlu.xlu_cfg_readdata(config, data, len(data)):
                return None
            found = {key: (self._value(config, key.encode()), self._number(config, key.encode())) for key in keys}
            return {key: answer for key, answer in found.items() if answer[0] is not None}
        finally:
            self.xlu.xlu_cfg_destroy(config)

    def disk(self, spec: str) -> Answer:
        """None where the disk is refused, or else what libxl was given to make of it."""
        config = self.xlu.xlu_cfg_init(self.nowhere, b"oracle")
        disk = ctypes.create_string_buffer(4096)
        self.xl.libxl_device_disk_init(disk)
        specs = (c_char_p * 1)(spec.encode("utf-8", "surrogateescape"))
        try:
            if self.xlu.xlu_disk_parse(config, 1, specs, disk):
                return None
            told = self.xl.libxl_device_disk_to_json(None, disk)
            try:
                return json.loads(ctypes.string_at(told))
            finally:
                self.free(told)
        finally:
            self.xl.libxl_device_disk_dispose(disk)
            self.xlu.xlu_cfg_destroy(config)

    def _value(self, config: int, key: bytes) -> Answer:
        text, items, length = c_char_p(), c_void_p(), c_int()
        if not self.xlu.xlu_cfg_get_string(config, key, byref(text), 1):
            return _decoded(text)
        if not self.xlu.xlu_cfg_get_list(config, key, byref(items), byref(length), 1):
            return self._items(config, items)
        return None

    def _items(self, config: int, items: c_void_p) -> Answer:
        found: list[Answer] = []
        while item := self.xlu.xlu_cfg_get_listitem2(items, len(found)):
            text, inner = c_char_p(), c_void_p()
            if self.xlu.xlu_cfg_value_get_string(config, item, byref(text), 1):
                self.xlu.xlu_cfg_value_get_list(config, item, byref(inner), 1)
                found.append(self._items(config, inner))
            else:
                found.append(_decoded(text))
        return found

    def _number(self, config: int, key: bytes) -> int | None:
        number = c_long()
        return None if self.xlu.xlu_cfg_get_long(config, key, byref(number), 1) else number.value


def _decoded(text: c_char_p) -> str:
    return (text.value or b"").decode("utf-8", "surrogateescape")


def main() -> None:
    """Answer each question of stdin."""
    library = Library(*sys.argv[1:3])
    for line in sys.stdin:
        what, *question = json.loads(line)
        answer = library.config(*question) if what == "config" else library.disk(*question)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
