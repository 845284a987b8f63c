"""`cts ladder` against the API on the loopback, `cts ladder study` on recorded candles."""

import argparse
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from xml.etree import ElementTree

import pytest
from chalice.test import Client
from rich.console import Console

from app import app
from chalicelib import wiring
from chalicelib.domain.token import Unauthorized
from chalicelib.errors import Forbidden, Rejected, UsageError
from chalicelib.local.access import open_to_tokens
from chalicelib.operations.ladder import command
from chalicelib.operations.ladder.table import COLUMNS, lines, show
from tests.flows.desk import CONNECTION_ID
from tests.flows.test_ladder_view import desk  # noqa: F401
from tests.shared import shared_path


def cts(*arguments: str) -> int:
    parser = argparse.ArgumentParser(prog="cts")
    command.register(parser.add_subparsers(required=True))
    given = parser.parse_args(["ladder", *arguments])
    return int(given.command(given))


class Loopback(BaseHTTPRequestHandler):
    """Passes requests on to the app, its authorizer among them."""

    def do_GET(self) -> None:
        assert self.path.startswith("/api/")
        try:
            answer = Client(app).http.get(self.path.removeprefix("/api"), headers=dict(self.headers))
            status, body = answer.status_code, answer.body
        except Unauthorized:
            status, body = 401, b'{"message":"Unauthorized"}'
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None: ...


@pytest.fixture
def served(desk: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, str]]:  # noqa: F811
    """The API over the desk's world, and a state directory whose tokens it takes."""
    monkeypatch.setenv("CTS_STAGE", "local")
    monkeypatch.setenv("CTS_AUTH_LOCAL_SECRET", "")
    monkeypatch.delenv(command.TOKEN_VARIABLE, raising=False)
    monkeypatch.setenv("COLUMNS", "250")
    open_to_tokens(tmp_path)
    wiring.use(desk.world())
    server = HTTPServer(("127.0.0.1", 0), Loopback)
    thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/api", str(tmp_path)
    server.shutdown()
    thread.join()
    server.server_close()
    wiring.use(None)


def test_the_ladder_is_printed_as_the_api_has_it(
    served: tuple[str, str],
    desk: Any,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    url, state = served
    asked = ("--connection", CONNECTION_ID, "--url", url, "--state", state)
    assert cts(*asked, "--limit", "30", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found["items"]) == 30
    assert cts(*asked, "--limit", "30") == 0
    shown = capsys.readouterr().out
    assert f"main {found['counts']['main']}, " in shown
    assert "there are more" in shown
    for item in found["items"]:
        _, _, told = shown.partition(f"\n{item['set_id']}\n")
        numbers, *others = told.split("\n  ")[:4]
        assert numbers.split()[:2] == [item["level"], str(item["closed"])]
        assert f"lacks for {item['goal']}: " in "".join(others)
        assert all(f"{lack['has']:.0f} of {lack['needed']:.0f}" in told for lack in item["lacks"][:1])


def test_more_than_a_page_comes_whole_and_a_level_alone(
    served: tuple[str, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, state = served
    monkeypatch.setattr(command, "_PAGE", 40)
    asked = ("--connection", CONNECTION_ID, "--url", url.removesuffix("/api"), "--state", state, "--json")
    assert cts(*asked, "--limit", "95") == 0
    items = json.loads(capsys.readouterr().out)["items"]
    assert len({item["set_id"] for item in items}) == len(items) == 95
    assert cts(*asked, "--level", "main", "--limit", "95") == 0
    main = json.loads(capsys.readouterr().out)["items"]
    assert main == [item for item in items if item["level"] == "main"]


def test_what_is_wrong_is_told_in_one_line(served: tuple[str, str], tmp_path: Path) -> None:
    url, state = served
    place = ("--url", url, "--state", state)
    with pytest.raises(UsageError, match="--limit must be"):
        cts("--connection", "x", "--limit", "0", *place)
    with pytest.raises(Rejected, match="no connection 'x'"):
        cts("--connection", "x", *place)
    with pytest.raises(UsageError, match="no run in"):
        cts("--connection", "x", "--url", url, "--state", str(tmp_path / "none"))
    with pytest.raises(Forbidden, match="does not take the token"):
        cts("--connection", "x", "--url", url, "--token", "forged")
    with pytest.raises(UsageError, match="nobody answers at"):
        cts("--connection", "x", "--url", "http://127.0.0.1:9", "--state", state)
    with pytest.raises(UsageError, match="is no address"):
        cts("--connection", "x", "--url", "somewhere", "--state", state)


def test_the_only_connection_needs_no_name_and_several_are_listed(
    served: tuple[str, str],
    desk: Any,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    url, state = served
    asked = ("--url", url, "--state", state, "--limit", "1", "--json")
    assert cts(*asked) == 0
    assert json.loads(capsys.readouterr().out)["connection_id"] == CONNECTION_ID
    world = desk.world()
    world.connections.create(replace(desk.connection, connection_id="second"))
    try:
        with pytest.raises(UsageError, match=f"name the --connection .*: {CONNECTION_ID}, second"):
            cts(*asked)
    finally:
        world.connections.delete(desk.connection.tenant, "second")


ITEM: dict[str, Any] = {
    "set_id": "BTC/USDT|trend|long|tp0.02-sl0.01",
    "level": "main",
    "level_since": 1_617_105_600,
    "closed": 120,
    "profit_factor": 1.5,
    "lossless": False,
    "win_rate": 0.5,
    "expectancy": 0.0012,
    "drawdown_hours": 30.04,
    "edge": None,
    "position": {"entered": 1_617_109_200, "entry": 58000.5, "best": 58100.0},
    "goal": "real",
    "lacks": [
        {"demand": "drawdown_hours", "needed": 12.0, "has": 30.04},
        {"demand": "edge", "needed": 0.95, "has": None},
    ],
    "change": {
        "at": 1_617_105_600,
        "before": "real",
        "after": "main",
        "why": "drawdown time n=118 pf=1.450 wr=0.500 ex=0.00110 dd=14.2h edge=nan",
    },
}


def test_a_set_is_told_in_words_within_eighty_characters() -> None:
    told = list(lines(ITEM))
    assert told == [
        " main     120     1.50    50%     +0.12%    30.0 h      -",
        "since 2021-03-30 12:00: real > main, drawdown time"
        " (118 closed, factor 1.45, wins 50%, +0.11% per trade, drawdown 14.2 h)",
        "holds a position since 2021-03-30 13:00, entered at 58000.5",
        "lacks for real: drawdown 30.0 h, at most 12 h; edge not proven",
    ]
    heads = "".join(f"{head:>{width}}" for head, width in COLUMNS)
    assert len(heads) == len(told[0]) <= 78


def test_a_set_that_never_moved_or_whose_move_is_forgotten_says_so() -> None:
    fresh = {**ITEM, "level_since": 0, "change": None, "position": None, "lacks": [], "lossless": True}
    numbers, lacks = lines(fresh)
    assert "no loss" in numbers
    assert lacks == "lacks for real: nothing"
    forgotten = list(lines({**ITEM, "change": None}))
    assert forgotten[1] == "since 2021-03-30 12:00: why is no longer among the newest of the audit log"
    sure = {**ITEM["change"], "why": ITEM["change"]["why"].replace("edge=nan", "edge=0.970")}
    assert list(lines({**ITEM, "change": sure}))[1].endswith("drawdown 14.2 h, edge 97%)")
    other = {**ITEM["change"], "why": "something else"}
    assert list(lines({**ITEM, "change": other}))[1].endswith("real > main, something else")


def study(*arguments: str) -> int:
    return cts("study", "--data", str(shared_path("data/ohlcv/binance_spot")), *arguments)


def test_a_study_prints_tables_and_writes_figures_and_picture(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    out = tmp_path / "made" / "here"
    assert (
        study("--symbols", "2", "--placebo", "200", "--skilled", "100", "--seed", "7", "--out", str(out)) == 0
    )
    shown = capsys.readouterr().out
    text = (out / "ladder-study.json").read_text()
    found = json.loads(text)
    asked = {"timeframe": "1h", "symbols": 2, "placebo": 200, "skilled": 100}
    asked |= {"rate": 1.0, "costs": 1.0, "seed": 7}
    assert found["options"] == asked
    assert str(tmp_path) not in text
    reached = {
        (one["profile"], one["group"], row["level"]): row
        for one in found["findings"]
        for row in one["reached"]
    }
    row = reached["source", "placebo", "main"]
    assert row["sets"] == 200
    (line,) = [
        cells
        for cells in (line.replace(" ", "").split("│")[1:-1] for line in shown.splitlines())
        if cells[:3] == ["source", "placebo", "main"] and cells[3] == "200"
    ]
    assert line[4:6] == [str(row["judged"]), str(row["reached"])]
    luck = reached["source", "placebo", "real"]["of_all"]
    told = " ".join(shown.split())
    assert (
        f"ever reached real: source 0 of 200 (0.00 [0.00, {100 * luck['high']:.2f}] %), prudent 0 of" in told
    )
    picture = ElementTree.parse(out / "ladder-study.svg").getroot()
    bars = [bar for bar in picture.iter() if bar.tag.endswith("rect") and len(bar)]
    # Main and real of two profiles, and real of the three with fewer demands, for both kinds of sets;
    # real of all five for five sizes of skill, where there are sets with enough positions.
    sized = [one for one in found["power"] if one["reached"][1]["judged"]]
    assert len(bars) == (2 * 2 + 3) * 2 + len(sized)
    assert len({one["avoided"] for one in found["power"]}) == 5
    assert "profit factor" in shown
    lines = [line for line in picture.iter() if line.get("class") == "interval"]
    for bar, line in zip(bars, lines, strict=False):
        # A share lies within its interval.
        end = float(bar.get("x", "")) + float(bar.get("width", ""))
        assert float(line.get("x1", "")) - 0.2 <= end <= float(line.get("x2", "")) + 0.2
    marks = [float(line.get("x1", "")) for line in picture.iter() if line.get("class") == "axis"]
    figures = [label.text for label in picture.iter() if label.get("text-anchor") == "middle"]
    assert figures[0] == "0"
    assert 3 <= figures[1:].index("0") + 1 <= 7
    assert len(figures) == len(marks)
    widths = {bar[0].text.rpartition(":")[0]: float(bar.get("width", "")) for bar in bars}
    drawn = widths["source, main: placebo"] / widths["source, main: of the sources"]
    real = reached["source", "real", "main"]["of_all"]["value"]
    assert drawn == pytest.approx(row["of_all"]["value"] / real, rel=0.01)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--placebo", "0"), "--placebo must be between"),
        (("--symbols", "5000"), "symbols have 1h candles"),
        (("--timeframe", "7q"), "timeframe"),
        (("--preset", "nowhere.toml"), "--preset nowhere.toml"),
    ],
)
def test_a_study_of_nothing_is_refused(arguments: tuple[str, ...], text: str) -> None:
    with pytest.raises(UsageError, match=text):
        study(*arguments)


def test_figures_are_not_written_over_a_file(tmp_path: Path) -> None:
    taken = tmp_path / "file"
    taken.write_text("mine")
    with pytest.raises(UsageError, match="name a directory"):
        study("--out", str(taken))
    assert taken.read_text() == "mine"


def test_warnings_stand_above_the_sets() -> None:
    said = io.StringIO()
    found: dict[str, Any] = {
        "connection_id": "main",
        "profile": "source",
        "warnings": ["ladder profile 'source' [loses] money"],
        "candle_time": 0,
        "age": 60.0,
        "counts": {"base": 1},
        "items": [],
        "cursor": None,
    }
    show(found, Console(file=said, width=120))
    assert "warning: ladder profile 'source' [loses] money" in said.getvalue()
