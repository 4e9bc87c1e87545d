"""Plans of faults: what fires, the log, and what is refused (docs/venue.md, "Faults")."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from adapters.paper.config import VenueConfig, load
from adapters.paper.faults.check import check_names, load_plan, read_plan
from adapters.paper.faults.plan import RULES_MAX, Faults, Kind, Place, Plan, Rule
from adapters.ports import SystemFs
from engine.errors import ConfigError
from tests.paper.faults.test_rest import NEW, ORDER
from tests.paper.venue_client import bench

COMMAND = [sys.executable, "-m", "adapters.cli.main", "paper"]
MARKETS = ("BTC_USDT", "BTC_PERP")
DEALS = Place(text="deals", channel="deals", private=True)
S = 1_000_000


def fired(*rules: Rule, seed: int = 1, count: int = 200, step_us: int = S // 10) -> list[int]:
    """Numbers, from 1, of the matches at which one of the rules fired."""
    faults = Faults()
    faults.add(Plan(rules=rules, seed=seed), 0)
    return [n for n in range(1, count + 1) if faults.decide(DEALS, (n - 1) * step_us)]


def drop(**when: Any) -> Rule:
    return Rule(kind=Kind.DROP, channel="deals", **when)


WHEN: list[tuple[str, Rule, list[int]]] = [
    ("the third match", drop(nth=3), [3]),
    ("at most twice", drop(times=2), [1, 2]),
    ("in a window, its end left out", drop(from_s=0.5, until_s=0.8), [6, 7, 8]),
    ("the second match of a window", drop(from_s=0.5, nth=2), [7]),
    ("another market", drop(market="BTC_USDT"), []),
    ("another channel", Rule(kind=Kind.DROP, channel="depth"), []),
    ("an opening", Rule(kind=Kind.DROP, path="/ws"), []),
    ("any frame, once", Rule(kind=Kind.DROP, channel="*", times=1), [1]),
    ("a private frame, once", Rule(kind=Kind.DROP, channel="private", times=1), [1]),
    ("a request", Rule(kind=Kind.DROP, path="/api/v4/*"), []),
]


@pytest.mark.parametrize(("name", "rule", "expected"), WHEN, ids=[case[0] for case in WHEN])
def test_when_a_rule_fires(name: str, rule: Rule, expected: list[int]) -> None:
    assert fired(rule) == expected


def test_draws_come_from_the_seed_and_from_the_place_in_the_plan() -> None:
    rare = drop(probability=0.25)
    first = fired(rare)
    assert 20 < len(first) < 80
    assert fired(rare) == first
    assert fired(rare, seed=2) != first
    # What another rule does changes nothing in the draws of this one.
    other = Rule(kind=Kind.DROP, channel="depth", probability=0.5)
    assert fired(rare, other) == first


def test_the_first_rule_that_fires_hides_the_match_from_the_others() -> None:
    faults = Faults()
    faults.add(Plan(rules=(drop(nth=1), Rule(kind=Kind.DUPLICATE, channel="*", nth=1))), 0)
    kinds = [rule and rule.kind for rule in (faults.decide(DEALS, 0) for _ in range(3))]
    assert kinds == [Kind.DROP, Kind.DUPLICATE, None]
    assert [(done.rule, done.number) for done in faults.log] == [(0, 1), (1, 2)]


def test_rules_are_bounded() -> None:
    faults = Faults()
    faults.add(Plan(rules=(drop(),) * RULES_MAX), 0)
    with pytest.raises(ValueError, match="clear the faults"):
        faults.add(Plan(rules=(drop(),)), 0)


async def test_the_log_says_what_where_when_and_by_which_seed(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    rule = {"kind": "answer", "path": NEW, "status": 503}
    run.admin("POST", "/faults", kind="expire_tokens", from_s=100)
    await trio.sleep(2)
    run.admin("POST", "/faults", seed=7, rules=[{"kind": "drop", "channel": "deals"}, rule])
    await trio.sleep(1.5)
    await run.alice.post("order/new", **ORDER)
    status, shown = run.admin("GET", "/faults")
    assert status == 200
    assert shown["log"] == [
        {
            "number": 1,
            "at_us": 1_500_000,
            "plan": 1,
            "rule": 1,
            "seed": 7,
            "kind": "answer",
            "place": f"POST {NEW} BTC_USDT",
        }
    ]
    assert shown["rules"][2] == {"plan": 1, "seed": 7, "matches": 1, "done": 1, "rule": rule}
    assert [(each["plan"], each["matches"]) for each in shown["rules"]] == [(0, 0), (1, 0), (1, 1)]


BAD: list[tuple[str, str, str]] = [
    ("no kind at all", 'seed = 1\n[[rules]]\npath = "/api/v4/orders"', "kind"),
    ("an unknown kind", '[[rules]]\nkind = "explode"', "explode"),
    ("an unknown key", '[[rules]]\nkind = "skip_delta"\nodds = 1', "odds"),
    ("no rules", "rules = []", "rules"),
    ("no place", '[[rules]]\nkind = "drop"', "takes `path` or `channel`"),
    ("two places", '[[rules]]\nkind = "drop"\npath = "/x"\nchannel = "deals"', "exclude"),
    (
        "a push with a status",
        '[[rules]]\nkind = "answer"\nchannel = "deals"\nstatus = 3',
        "takes only the `channel` 'answer'",
    ),
    (
        "a WebSocket's answer with the client's error",
        '[[rules]]\nkind = "answer"\nchannel = "answer"\nstatus = 6',
        r"one of \(2, 3, 5, 7\)",
    ),
    ("no status", '[[rules]]\nkind = "answer"\npath = "/api/v4/orders"', "needs `status`"),
    (
        "a status no gateway has",
        '[[rules]]\nkind = "answer"\npath = "/api/v4/orders"\nstatus = 200',
        "one of \\(429, 500",
    ),
    ("no time", '[[rules]]\nkind = "stall"\nchannel = "*"', "needs `seconds`"),
    (
        "a time that is none",
        '[[rules]]\nkind = "delay"\nchannel = "*"\nseconds = -1',
        "`seconds` above 0",
    ),
    (
        "a time too many",
        '[[rules]]\nkind = "half_open"\nchannel = "*"\nseconds = 1',
        "leave it out",
    ),
    ("accepted by nobody", '[[rules]]\nkind = "drop"\nchannel = "*"\naccepted = true', "a `path`"),
    ("a jump of a market", '[[rules]]\nkind = "expire_tokens"\nmarket = "BTC_USDT"', "a `path`"),
    ("an opening of two", '[[rules]]\nkind = "duplicate"\npath = "/ws"', "`/ws` takes `delay`"),
    ("a share above 1", '[[rules]]\nkind = "skip_delta"\nprobability = 2', "probability"),
    ("a window of nothing", '[[rules]]\nkind = "skip_delta"\nfrom_s = 2\nuntil_s = 1', "until_s"),
    ("an unknown market", '[[rules]]\nkind = "skip_delta"\nmarket = "X"', r"rules\[0\].market"),
    ("an unknown channel", '[[rules]]\nkind = "drop"\nchannel = "deal"', "expected one of"),
    ("an unknown path", '[[rules]]\nkind = "drop"\npath = "/api/v4/orde"', "no endpoint"),
    ("no TOML", "= 1", "Invalid"),
]


@pytest.mark.parametrize(("name", "text", "part"), BAD, ids=[case[0] for case in BAD])
def test_bad_plans_are_refused_with_their_place_and_a_hint(
    tmp_path: Path, name: str, text: str, part: str
) -> None:
    path = tmp_path / "faults.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=part) as caught:
        check_names(load_plan(SystemFs(), path), MARKETS, str(path))
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert message.endswith("docs/venue.md")
    assert "\n" not in message


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"[" * 5000, b'{"kind":"drop"}', b"\xff"])
def test_bad_plans_from_the_admin_port_are_refused(body: bytes) -> None:
    with pytest.raises(ConfigError, match=r"docs/venue\.md"):
        read_plan(body)


async def test_a_refused_plan_changes_nothing(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    status, answer = run.admin("POST", "/faults", kind="skip_delta", market="NOPE")
    assert (status, answer["error"][:24]) == (400, "faults: rules[0].market:")
    assert run.handle.venue.faults is None


@pytest.mark.parametrize(
    "path", ["/api/v4/*", "/api/v4/order/new", "/api/v4/public/trades/BTC_USDT", "/api/v4/public/*"]
)
def test_paths_of_endpoints_and_their_beginnings_are_known(path: str) -> None:
    check_names(Plan(rules=(Rule(kind=Kind.DROP, path=path),)), MARKETS, "here")


def test_the_configuration_has_a_section_for_faults(tmp_path: Path) -> None:
    path = tmp_path / "venue.toml"
    path.write_text('[faults]\nseed = 3\n[[faults.rules]]\nkind = "skip_delta"')
    assert load(SystemFs(), path).faults == Plan(seed=3, rules=(Rule(kind=Kind.SKIP_DELTA),))
    path.write_text('[faults]\n[[faults.rules]]\nkind = "stall"\nchannel = "*"')
    with pytest.raises(ConfigError, match=r"needs `seconds` - at `\$.faults.rules\[0\]`"):
        load(SystemFs(), path)


def test_the_documented_plan_is_accepted(tmp_path: Path) -> None:
    text = (Path(__file__).parents[3] / "docs" / "venue.md").read_text()
    path = tmp_path / "faults.toml"
    path.write_text(text.split("## Faults")[1].split("```toml\n")[1].split("```")[0])
    plan = load_plan(SystemFs(), path)
    check_names(plan, MARKETS, "docs")
    assert [rule.kind for rule in plan.rules] == ["answer", "skip_delta", "jump_clock"]
    described = text.split("## Faults")[1].split("## ")[0]
    assert [kind for kind in Kind if f"| `{kind}` |" not in described] == []


async def test_a_configured_plan_is_in_force_from_the_start(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    plan = Plan(rules=(Rule(kind=Kind.ANSWER, path="/api/v4/public/ping", status=502),))
    run = await bench(nursery, VenueConfig(faults=plan))
    assert (await run.alice.get("ping"))[0] == 502


@pytest.mark.slow
@pytest.mark.parametrize("option", ["--faults", "--config"])
def test_the_command_refuses_a_bad_plan_in_one_line(tmp_path: Path, option: str) -> None:
    path = tmp_path / "plan.toml"
    section = "faults." if option == "--config" else ""
    path.write_text(f'[[{section}rules]]\nkind = "skip_delta"\nmarket = "NOPE"')
    done = subprocess.run([*COMMAND, option, str(path)], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (2, b"")
    (line,) = done.stderr.decode().splitlines()
    assert f"{path}: rules[0].market: expected one of BTC_USDT, BTC_PERP, found 'NOPE'" in line
