"""The state folder is read by the release after and by the one before: a kill survives an upgrade and a rollback."""

import asyncio
import json
from pathlib import Path

from guard.control import orders_file
from guard.ladder.mode import Order, Orders
from tests.orders import release_before
from tests.orders.promises import POLICY
from tests.orders.stage import staged, upstream

BEFORE = Path(__file__).parent / "formats" / "operators-1.json"
"""Written by the release before."""
WALL = 1764000300.0

ORDERS = Orders(
    7,
    Order("rules", "the model does harm", "ann", 1764000000.0),
    {"POST /predict": Order("disabled", "audit", "bob", 1764000100.5, 1764003700.5)},
    None,
    {"POST /predict > model": "open"},
    {"POST /predict": Order("normal", "contract is wrong", "ann", 1764000200.0, 1764600000.0)},
    {"": 7, "POST /predict": 7},
)


def test_what_the_release_before_wrote_is_read() -> None:
    assert orders_file.decode(BEFORE.read_bytes(), WALL) == ORDERS


def test_what_this_release_writes_is_read_by_both() -> None:
    raw = orders_file.encode(ORDERS)
    assert orders_file.decode(raw, WALL) == ORDERS
    before, now = (release_before.read(json.loads(written)) for written in (BEFORE.read_bytes(), raw))
    assert before == now


def test_a_raise_that_was_decided_before_an_upgrade_is_stale_unless_it_saw_every_order() -> None:
    orders = orders_file.decode(BEFORE.read_bytes(), WALL)
    assert [orders.stale(None, epoch) for epoch in (6, 7, 8)] == [True, False, True]


def test_a_kill_survives_an_upgrade_and_a_rollback(tmp_path: Path) -> None:
    """A real process takes up what the release before left, and leaves what the release before reads."""

    async def main() -> None:
        async with upstream() as port:
            private = tmp_path / "state" / "private"
            private.mkdir(mode=0o700, parents=True)
            (private / "operators.json").write_bytes(BEFORE.read_bytes())
            with staged(tmp_path, POLICY.replace("PORT", str(port)).replace("VERSION", "0")) as stage:
                assert stage.guard.wait_for("mode_recalled")["who"] == "ann"
                assert (await stage.predict()).source == "rules", "the order of the route had its time"
                status, order = await stage.mode("disabled", "POST /predict")
                assert (status, order["epoch"] > 7) == (200, True)
                while not (await stage.api("GET", "/status"))[1]["durable"]:
                    await asyncio.sleep(0.01)
                stage.guard.process.kill()
            _, everywhere, routes, forced, observed = release_before.read(
                json.loads((private / "operators.json").read_text())
            )
            assert (everywhere.mode, everywhere.who, everywhere.reason) == ("rules", "ann", "the model does harm")
            assert routes["POST /predict"].mode == "disabled"
            assert forced == {"POST /predict > model": "open"}
            assert not observed, "its time was over"

    asyncio.run(main())
