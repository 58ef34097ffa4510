"""What the interpreter gives this process, and how it names requests."""

import gc
import sys

import pytest

from guard.control.process import COLLECT, SWITCH, at_service
from guard.privacy.fence import fence
from guard.proxy import listener_state
from guard.proxy.listener_state import ListenerState


def test_a_process_at_service_collects_seldom_and_gives_the_loop_its_turn() -> None:
    before = sys.getswitchinterval(), gc.get_threshold()
    gc.disable()
    try:
        at_service()
        assert gc.isenabled()
        assert sys.getswitchinterval() == pytest.approx(SWITCH)
        assert gc.get_threshold() == COLLECT
        assert gc.get_freeze_count() > 0
    finally:
        sys.setswitchinterval(before[0])
        gc.set_threshold(*before[1])
        gc.enable()
        gc.unfreeze()


def test_a_request_id_is_never_taken_for_a_number_of_somebodys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener_state, "token_hex", lambda _: "004930901820")
    assert fence("004930901820-278") == "[phone]"
    named = f"{ListenerState(None).prefix}-278"  # type: ignore[arg-type]
    assert fence(named) == named
