"""The stages of a move as a lane of the timeline: numbered boxes, and what the numbers mean. Pure."""

from collections.abc import Iterator

from xenlab.probes.anatomy import Anatomy, Share, in_a_sentence
from xenlab.report.svg import Scale, label, rect, text

_BOX, _ROW, _HEAD = 18, 17, 52
_DIGIT = 8.0
"""Pixels that a digit takes; a box that has no room for its number leaves it to the list."""

# Beside the colours, which alternate, each box has its number, and the list has them all in their order.
STYLE = """
.xtl .stage0{fill:#566885}.xtl .stage1{fill:#bcc8d8}.xtl .network{fill:none;stroke:#a15c00;stroke-width:1.5}
.xtl .still{stroke:#1a1a1a;stroke-width:1.5;fill:none}.xtl text.in0{fill:#fff}.xtl text.in1{fill:#1a1a1a}
@media screen and (prefers-color-scheme:dark){.xtl .stage0{fill:#51627c}.xtl .stage1{fill:#93a5bf}
.xtl .network{stroke:#ffb95c}.xtl .still{stroke:#e8e8e8}}
""".rstrip()


def lane_height(anatomy: Anatomy) -> int:
    """The pixels that the lane takes."""
    listed = _listed(anatomy)
    return _HEAD + _ROW * -(-len(listed) // _columns(listed)) + 10


def anatomy_in_words(anatomy: Anatomy) -> list[str]:
    """The lane for who does not see it."""
    stages = [f"{name}: {seconds:.2f} s" for name, seconds in _listed(anatomy)]
    listed = [f"What xl did: {', '.join(stages)}."] if stages else []
    return [*listed, *filter(None, [in_a_sentence(anatomy)])]


def stages_lane(anatomy: Anatomy, scale: Scale, top: float, width: float) -> Iterator[str]:
    """The lane, from `top` down, of a picture of `width`."""
    box = top + 24
    yield f'<text class="name" x="12" y="{box + 14}">what xl did</text>'
    for number, part in enumerate(anatomy.parts):
        yield from _stage(number, part, scale, box)
    if anatomy.still is not None:
        left, right = scale.x(anatomy.still.window.start), scale.x(anatomy.still.window.end)
        yield f'<path class="still" d="M{left:.1f} {box - 3}v-7H{right:.1f}v7"/>'
        yield label((left + right) / 2, box - 14, f"stood still {anatomy.still.seconds:.2f} s", width)
        if anatomy.network:
            until = scale.x(anatomy.still.window.end + anatomy.network)
            yield rect("network", right, box, until - right, _BOX)
    listed = _listed(anatomy)
    columns = _columns(listed)
    step = (width - 2 * 12) / columns
    for place, (name, seconds) in enumerate(listed):
        row, column = divmod(place, columns)
        y = top + _HEAD + 10 + _ROW * row
        yield f'<text x="{12 + step * column:.0f}" y="{y:.0f}">{text(f"{name} {seconds:.2f} s")}</text>'


def _stage(number: int, part: Share, scale: Scale, box: float) -> Iterator[str]:
    shade, words = number % 2, str(number + 1)
    left, right = scale.x(part.stage.start), scale.x(part.stage.end)
    yield rect(f"stage{shade}", left, box, right - left, _BOX)
    if right - left > _DIGIT * len(words) + 4:
        middle = (left + right) / 2
        yield f'<text class="in{shade}" text-anchor="middle" x="{middle:.1f}" y="{box + 14}">{words}</text>'


def _listed(anatomy: Anatomy) -> list[tuple[str, float]]:
    stages = [part.stage for part in anatomy.parts]
    listed = [(f"{n} {stage.name}", stage.end - stage.start) for n, stage in enumerate(stages, 1)]
    return [*listed, ("□ network", anatomy.network)] if anatomy.network else listed


def _columns(listed: list[tuple[str, float]]) -> int:
    """How many names stand side by side: those of several kinds are long."""
    return 4 if all(len(name) < 24 for name, _ in listed) else 2
