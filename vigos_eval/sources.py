"""Where answers come from: the checkpoint's identity, or a run folder that is replayed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from vigos_eval.engines.checkpoint import find_checkpoint
from vigos_eval.engines.settings import EngineSettings
from vigos_eval.model_args import RunSettings
from vigos_eval.protocol import JudgeSettings, Protocol
from vigos_eval.records import read_run_settings


def checkpoint_identity(engine: EngineSettings) -> Mapping[str, str]:
    """What will be asked, for the fingerprint: hub revision or hashes, a server's model and its path.

    A server is asked even when a run is finished: under the name of yesterday it may serve the
    checkpoint of today.

    Raises:
        EngineError: A server is not there, or serves another model.
        CheckpointError: The checkpoint is not there or not whole.
        RunFolderError: The run to replay is no run folder.
    """
    if engine.engine == "server":
        from vigos_eval.engines.server import ServerEngine

        asked = ServerEngine(engine)
        try:
            return asked.identity
        finally:
            asked.close()
    if engine.engine == "recorded":
        identity: Mapping[str, str] = read_run_settings(Path(engine.run))["fingerprint_fields"][
            "model"
        ]
        return identity
    return find_checkpoint(engine.pretrained, engine.revision).identity


def recorded_settings(settings: RunSettings) -> RunSettings:
    """The settings as given; for engine=recorded with the recorded run's protocol and control.

    The judge stays what the user asked for: replaying is for grading anew.

    Raises:
        RunFolderError: The run to replay is no run folder.
    """
    if settings.engine.engine != "recorded":
        return settings
    run = read_run_settings(Path(settings.engine.run))
    fields: dict[str, Any] = dict(run["protocol"])
    asked = settings.protocol.judge
    fields["judge"] = JudgeSettings(**fields["judge"]) if asked == JudgeSettings() else asked
    return replace(
        settings,
        protocol=Protocol(**fields),
        control=run["control"],
        engine=replace(settings.engine, pretrained=run["model"]["pretrained"]),
    )
