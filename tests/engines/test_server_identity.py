"""What a run with engine=server is known by, before its first question."""

from __future__ import annotations

import pytest
from chat_server import ChatServer, Manners

from vigos_eval.commands.run import check_inputs
from vigos_eval.engines.settings import EngineSettings
from vigos_eval.errors import EngineError
from vigos_eval.sources import checkpoint_identity


def test_another_checkpoint_under_the_same_name_is_another_run() -> None:
    """Else the finished run of yesterday's checkpoint would be printed as today's."""
    seen = []
    for root in ("/checkpoints/step-100", "/checkpoints/step-200"):
        with ChatServer(Manners(models={"tiny": root})) as server:
            settings = EngineSettings(engine="server", pretrained="tiny", base_url=server.url)
            seen.append(dict(checkpoint_identity(settings)))
    assert seen == [
        {"served_model": "tiny", "root": "/checkpoints/step-100"},
        {"served_model": "tiny", "root": "/checkpoints/step-200"},
    ]


@pytest.mark.usefixtures("sample_data")
def test_a_server_that_is_not_there_is_named_before_lmms_eval_is_loaded() -> None:
    with pytest.raises(EngineError, match=r"http://127.0.0.1:9/v1 does not answer"):
        check_inputs("mmsi", "pretrained=tiny,engine=server,base_url=http://127.0.0.1:9/v1")
