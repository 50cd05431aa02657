"""One folder of Dom0 that a guest mounts by 9pfs, as xl reads it.

Source: xl.cfg(5), "p9", and parse_config_data() in Xen's xl_parse.c.
"""

from dataclasses import dataclass, field

from xenlab.xen.parts import in_dom0, parts_of


@dataclass(frozen=True, slots=True)
class P9Spec:
    """A folder: `path` is where it is in Dom0, `tag` the name by which the guest mounts it.

    `options` are all other parts, sorted. `span` is where the path stands in the text that was read.
    """

    path: str | None
    tag: str | None = None
    backend: str | None = None
    options: tuple[str, ...] = ()
    span: tuple[int, int] = field(default=(0, 0), compare=False)

    @property
    def via(self) -> str | None:
        """The domain whose folder it is, where that is not Dom0: "domain storage"."""
        return None if in_dom0(self.backend) else f"domain {self.backend}"


def parse_p9(text: str) -> P9Spec:
    """Read one folder, e.g. 'tag=home,path=/srv/home,security_model=none'."""
    given = {part.key: part for part in parts_of(text, trimmed=True) if part.value}
    path, tag, backend = (given.pop(key, None) for key in ("path", "tag", "backend"))
    return P9Spec(
        path=path.value if path else None,
        tag=tag.value if tag else None,
        backend=backend.value if backend else None,
        options=tuple(sorted(f"{key}={part.value}" for key, part in given.items())),
        span=(path.begin, path.end) if path else (0, 0),
    )
