"""What hypothesis draws for a target: a real input with a few changes (`mutations`), or a text of its words alone."""

from hypothesis import strategies as st

from selftests.fuzz.mutations import mutated, vocabulary
from selftests.fuzz.target import Target


def inputs_of(target: Target) -> st.SearchStrategy[bytes]:
    """Inputs for a target."""
    words = st.lists(st.sampled_from(vocabulary(target) or ("",)), max_size=60)
    texts = words.map(lambda said: "".join(said).encode("utf-8", "replace"))
    return st.one_of(_changed(target), _changed(target), texts, st.binary(max_size=200))


@st.composite
def _changed(draw: st.DrawFn, target: Target) -> bytes:
    seed = draw(st.sampled_from(target.seeds))
    return mutated(target, seed, lambda most: draw(st.integers(0, most - 1)))
