"""Reads raw JSON request bodies field by field, refusing with the texts of section 5.1.

Only presence and JSON types are judged here; what a value means is the exchange core's business.
Missing fields are reported together, everything else one at a time.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from adapters.paper.core import rejects
from adapters.paper.core.model import PositionSide, Reject, Side, Stp
from adapters.paper.rest.refusals import CLIENT_ID, MARKET, VALIDATION, ApiError, refuse

Body = Mapping[str, Any]

OFFSET_MAX = 4_294_967_295
_STP = {
    "no": Stp.NO,
    "cb": Stp.CANCEL_BOTH,
    "cn": Stp.CANCEL_NEW,
    "co": Stp.CANCEL_OLD,
    "cancel_both": Stp.CANCEL_BOTH,
    "cancel_new": Stp.CANCEL_NEW,
    "cancel_old": Stp.CANCEL_OLD,
}
_SIDES = {"buy": Side.BUY, "sell": Side.SELL}
_NOT_NUMERIC = {"amount": rejects.AMOUNT_NOT_NUMERIC, "price": rejects.PRICE_NOT_NUMERIC}
_BAD_MARKET = ["Market field should be a string.", "Market field format is invalid."]


def label(name: str) -> str:
    """How error texts call a field: `activation_price` is "Activation price", but
    `clientOrderId` "ClientOrderId"."""
    return name[:1].upper() + name[1:].replace("_", " ")


def require(body: Body, *names: str) -> None:
    """Refuse with every required field that is absent or null."""
    missing = {
        name: [f"{label(name)} field is required."] for name in names if body.get(name) is None
    }
    if missing:
        raise refuse(VALIDATION, missing)


def market(body: Body) -> str:
    """A market name; whether it exists is the exchange's business."""
    value = body["market"]
    if not isinstance(value, str):
        raise refuse(VALIDATION, {"market": _BAD_MARKET})
    if not value:
        raise refuse(MARKET, {"market": ["Market field should not be empty string."]})
    return value


def optional_market(body: Body) -> str | None:
    return None if body.get("market") is None else market(body)


def side(body: Body) -> Side:
    value = body["side"]
    if not isinstance(value, str) or value not in _SIDES:
        text = "Side field should contain only 'buy' or 'sell' values."
        raise refuse(VALIDATION, {"side": [text]})
    return _SIDES[value]


def numeric(body: Body, name: str) -> str | Decimal:
    """A number as text or JSON number; the text itself is read by the exchange core."""
    value = body[name]
    if isinstance(value, str | Decimal):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return Decimal(value)
    refused: Reject | None = _NOT_NUMERIC.get(name)
    if refused is not None:
        raise ApiError(refused)
    raise refuse(VALIDATION, {name: [f"{label(name)} field should be numeric string or number."]})


def optional_numeric(body: Body, name: str) -> str | Decimal | None:
    return None if body.get(name) is None else numeric(body, name)


def flag(body: Body, name: str) -> bool:
    """A boolean that is false when absent; other types are refused [C]."""
    value = body.get(name)
    if value is None:
        return False
    if not isinstance(value, bool):
        raise refuse(VALIDATION, {name: [f"{label(name)} field should be a boolean."]})
    return value


def client_order_id(body: Body) -> str:
    """The client's id, "" when unset (G-9)."""
    value = body.get("clientOrderId")
    if value is None:
        return ""
    if not isinstance(value, str):
        raise refuse(CLIENT_ID, {"clientOrderId": ["ClientOrderId field should be a string."]})
    return value


def bbo_role(body: Body) -> int | None:
    value = body.get("bboRole")
    if value is None:
        return None
    if isinstance(value, bool) or value not in (1, 2):
        raise refuse(VALIDATION, {"bboRole": ["The selected bboRole is invalid."]})
    return int(value)


def stp(body: Body) -> Stp:
    """Self-trade prevention; absent is the schema's default `no`, on modify too (10.5)."""
    value = body.get("stp")
    if value is None:
        return Stp.NO
    if not isinstance(value, str) or value not in _STP:
        raise refuse(VALIDATION, {"stp": ["The selected stp is invalid."]})
    return _STP[value]


def position_side(body: Body) -> PositionSide:
    """LONG, SHORT or BOTH, the default (6.1)."""
    value = body.get("positionSide")
    if value is None:
        return PositionSide.BOTH
    if not isinstance(value, str) or value not in PositionSide.__members__:
        raise refuse(VALIDATION, {"positionSide": ["The selected positionSide is invalid."]})
    return PositionSide(value)


def integer(body: Body, name: str, low: int, high: int) -> int | None:
    """An integer within bounds; None when absent."""
    text = _integer_problem(body.get(name), name, low, high)
    if text is not None:
        raise refuse(VALIDATION, {name: [text]})
    value: int | None = body.get(name)
    return value


def paging(body: Body, limit: int, limit_max: int) -> tuple[int, int]:
    """Limit and offset; problems of both are reported together (5.7, 5.8)."""
    texts = {
        "limit": _integer_problem(body.get("limit"), "limit", 1, limit_max),
        "offset": _integer_problem(body.get("offset"), "offset", 0, OFFSET_MAX),
    }
    errors = {name: [text] for name, text in texts.items() if text is not None}
    if errors:
        raise refuse(VALIDATION, errors)
    given_limit, given_offset = body.get("limit"), body.get("offset")
    return (limit if given_limit is None else given_limit), given_offset or 0


def _integer_problem(value: Any, name: str, low: int, high: int) -> str | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool):
        return f"{label(name)} field should be an integer."
    if value > high:
        return f"The {name} may not be greater than {high}."
    if value < low:
        return f"The {name} must be at least {low}."
    return None


def optional_order_id(body: Body) -> int | None:
    """An order id; digits as text are taken too, since common clients send them [C]."""
    return None if body.get("orderId") is None else required_id(body, "orderId")


def required_id(body: Body, name: str) -> int:
    """An id that is present; digits as text are taken too."""
    value = body[name]
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 19:
        return int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise refuse(VALIDATION, {name: [f"{label(name)} field should be an integer."]})
    return value


def one_order(body: Body) -> tuple[str, int | None, str | None]:
    """Market and exactly one of `orderId` and `clientOrderId` (5.4, 5.5, G-45)."""
    if not body.get("clientOrderId"):
        require(body, "market", "orderId")
    require(body, "market")
    order_id = optional_order_id(body)
    client_id = client_order_id(body) or None
    if order_id is not None and client_id is not None:
        text = "Only one of orderId and clientOrderId is allowed."
        raise refuse(VALIDATION, {"orderId": [text]})
    return market(body), order_id, client_id


def types(body: Body, name: str) -> tuple[str, ...] | None:
    """Product types of cancel/all and the kill-switch (5.5, 5.6); None for all."""
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, list):
        raise refuse(VALIDATION, {name: [f"The {name} must be an array."]})
    known = all(isinstance(item, str) and item in ("spot", "margin", "futures") for item in value)
    if not value or not known or len(set(value)) != len(value):
        raise refuse(VALIDATION, {name: [f"The selected {name} is invalid."]})
    return tuple(value)
