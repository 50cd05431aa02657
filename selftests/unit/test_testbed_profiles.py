"""Which profile a lab is of: the one asked for, or the default, or what lasts where the default's release is gone."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from xenlab.testbed import embedded
from xenlab.testbed.debian import SuiteGone
from xenlab.testbed.embedded import EmbeddedLab
from xenlab.testbed.images import Images
from xenlab.testbed.network import NetworkChoice
from xenlab.testbed.profiles import DEFAULT_PROFILE, PROFILES, Profile, other_profile
from xenlab.testbed.progress import Progress
from xenlab.testbed.state import LabState

GONE = "the mirrors no longer have Debian bullseye (so they say), and the archive cannot give it (it is down)"


class Played:
    """A lab of which some profiles' images cannot be had, and that comes up as soon as it has images."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch, gone: tuple[str, ...]) -> None:
        self._said = io.StringIO()
        self.lab = EmbeddedLab(folder, Console(file=self._said, width=1000))

        def ensure_images(profile: Profile, progress: Progress) -> Images:
            if profile.name in gone:
                raise SuiteGone(GONE)
            return Images(folder / profile.name)

        def bring_up(lab: EmbeddedLab, profile: Profile, images: Images, *_: object, **__: object) -> LabState:
            return LabState(lab.folder, profile=profile.name, images=str(images.folder))

        patch.setattr(embedded, "ensure_images", ensure_images)
        patch.setattr(EmbeddedLab, "_bring_up", bring_up)
        patch.setattr(embedded.tools, "require_programs", lambda: None)
        patch.setattr(embedded, "choose", lambda _: NetworkChoice("namespace", "for a test"))

    def up(self, profile: str | None) -> tuple[str, str, list[str]]:
        """Profile and images of the lab that came up, and what was said."""
        state = self.lab.up(profile)
        return state.profile, Path(state.images).name, self._said.getvalue().splitlines()


@pytest.mark.parametrize(("asked", "taken"), [(None, DEFAULT_PROFILE), ("classic", "classic"), ("modern", "modern")])
def test_what_is_asked_for_is_taken(
    asked: str | None, taken: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Played(tmp_path, monkeypatch, gone=()).up(asked) == (taken, taken, [])


def test_where_the_defaults_release_is_gone_the_other_is_taken_and_one_line_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = other_profile(DEFAULT_PROFILE)
    played = Played(tmp_path, monkeypatch, gone=(DEFAULT_PROFILE,))
    line = f"taking the profile {other} instead of {DEFAULT_PROFILE}: {GONE}"
    assert played.up(None) == (other, other, [line])


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_that_was_asked_for_is_not_replaced(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SuiteGone) as gone:
        Played(tmp_path, monkeypatch, gone=(name,)).up(name)
    assert gone.value.message == GONE
    assert gone.value.hint == f"--profile {other_profile(name)}"
    assert gone.value.exit_code == 3


def test_where_all_are_gone_the_last_ones_reason_is_the_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SuiteGone):
        Played(tmp_path, monkeypatch, gone=PROFILES).up(None)
