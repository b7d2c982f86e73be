"""Checkpoints: whole or not there, whatever moment the process is killed at."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from vigos_eval.errors import CheckpointError, ConfigError
from vigos_train import checkpoint
from vigos_train.checkpoint import (
    check_same_settings,
    checkpoint_folder,
    checkpoints,
    drop_old,
    read_position,
    remove_leftovers,
    write_folder,
)
from vigos_train.config import TrainConfig
from vigos_train.loading import config_fields, replaced

FILES = ("a.safetensors", "state/b.pt", "state/c.json")


def write(text: str) -> Callable[[Path], None]:
    def fill(place: Path) -> None:
        for name in FILES:
            (place / name).parent.mkdir(exist_ok=True)
            (place / name).write_text(text)

    return fill


def is_whole(place: Path, text: str) -> bool:
    return all((place / name).read_text() == text for name in FILES)


def killed_at(moment: int, act: Callable[[], None]) -> bool:
    """Run `act` in a child that gets SIGKILL at its n-th file operation; False: it had fewer."""
    child = os.fork()
    if child == 0:
        left = [moment]

        def counted(real: Callable[..., object]) -> Callable[..., object]:
            def call(*args: object, **kwargs: object) -> object:
                left[0] -= 1
                if left[0] < 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                return real(*args, **kwargs)

            return call

        os.replace = counted(os.replace)  # type: ignore[assignment]
        os.rmdir = counted(os.rmdir)  # type: ignore[assignment]
        os.unlink = counted(os.unlink)  # type: ignore[assignment]
        os.fsync = counted(os.fsync)  # type: ignore[assignment]
        Path.mkdir = counted(Path.mkdir)  # type: ignore[method-assign, assignment]
        Path.write_text = counted(Path.write_text)  # type: ignore[method-assign, assignment]
        act()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def test_killed_twice_at_any_moment_of_saving_the_last_good_checkpoint_is_whole(
    tmp_path: Path,
) -> None:
    moment = 0
    while True:
        run = tmp_path / str(moment)
        for step in (1, 2):
            write_folder(checkpoint_folder(run, step), write(str(step)))

        def save(run: Path = run) -> None:
            remove_leftovers(run)
            write_folder(checkpoint_folder(run, 3), write("3"))
            drop_old(run, keep=2)

        was_killed = [killed_at(moment, save) for _ in range(2)]
        found = checkpoints(run)
        for place in found:
            assert is_whole(place, str(int(place.name[-6:]))), (moment, place)
        assert int(found[-1].name[-6:]) >= 2, moment
        if not any(was_killed):
            break
        remove_leftovers(run)
        assert not list(run.rglob(".*"))
        moment += 1
    assert moment > 12  # every file, every flush, the rename, the removal of step 1
    assert [place.name for place in found] == ["step-000002", "step-000003"]


def test_replacing_a_folder_never_leaves_a_half_one(tmp_path: Path) -> None:
    moment = 0
    while True:
        target = tmp_path / str(moment) / "adapter"
        write_folder(target, write("old"))
        was_killed = killed_at(moment, lambda t=target: write_folder(t, write("new")))  # type: ignore[misc]
        assert not target.exists() or is_whole(target, "old") or is_whole(target, "new"), moment
        if not was_killed:
            break
        moment += 1
    assert is_whole(target, "new")


def test_a_name_that_is_no_checkpoint_is_none(tmp_path: Path) -> None:
    for name in ("step-000010", "step-1", ".partial-step-000020", "step-000030.bak"):
        (tmp_path / "checkpoints" / name).mkdir(parents=True)
    assert [place.name for place in checkpoints(tmp_path)] == ["step-000010"]


def test_a_damaged_position_names_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "position.json").write_text("{")
    with pytest.raises(CheckpointError, match="resume from the one before"):
        read_position(tmp_path)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"lora__rank": 8}, "lora.rank is 8, but .* was trained with 64"),
        ({"loss__clip": 0.1}, "loss.clip"),
        ({"method": "opsd"}, "method is 'opsd'"),
        ({"optim__seed": 1}, "optim.seed"),
        ({"data__source": "other"}, "data.source"),
    ],
)
def test_other_settings_are_named(change: dict[str, object], named: str) -> None:
    before, now = TrainConfig(), replaced(TrainConfig(), **change)
    with pytest.raises(ConfigError, match=named):
        check_same_settings(config_fields(before), config_fields(now), Path("run"))


def test_settings_that_move_no_weight_may_change() -> None:
    now = replaced(
        TrainConfig(),
        output__log_every=7,
        evaluation__every=3,
        rollout__base_url="",
        loss__chunk=8,
        optim__token_budget=4096,
    )
    check_same_settings(config_fields(TrainConfig()), config_fields(now), Path("run"))


def test_every_free_setting_exists() -> None:
    names = config_fields(TrainConfig())
    for free in checkpoint.FREE:
        assert any(name.startswith(free) for name in names), free
