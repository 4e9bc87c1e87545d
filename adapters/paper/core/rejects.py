"""The exchange's refusals with the contract's verbatim texts (5.1 table, 5.5, section 9)."""

from __future__ import annotations

from adapters.paper.core.model import Reject

# The venue rule of section 9 for the HTTP status and the message, G-8.
_HTTP_400 = frozenset((1, 2, 6, 20, 24, 101, 158))
_MODIFY_INNER = frozenset((1, 2, 6, 20, 24))
_POST_ONLY = "This order couldn't be executed as a maker order and was canceled."


def reject(code: int, errors: dict[str, list[str]], *, modify: bool = False) -> Reject:
    """Build a refusal with the status and message that section 9 gives its code."""
    if modify:
        inner = code in _MODIFY_INNER
    else:
        inner = 1 <= code <= 29 or 150 <= code <= 153
    message = "Inner validation failed" if inner else "Validation failed"
    return Reject(400 if code in _HTTP_400 else 422, code, message, errors)


def renamed(refused: Reject, field: str, name: str) -> Reject:
    """Say of `name` what a refusal says of `field`."""
    errors = {name if key == field else key: texts for key, texts in refused.errors.items()}
    return Reject(refused.http, refused.code, refused.message, errors)


UNKNOWN_MARKET = reject(31, {"market": ["Market is not available."]})
NOT_FOUND = reject(2, {"orderId": ["Unexecuted order was not found."]})
OTO_NOT_FOUND = reject(2, {"otoId": ["Unexecuted order was not found."]})
CONDITIONAL_NOT_FOUND = reject(2, {"id": ["Unexecuted order was not found."]})
BULK_NOT_FOUND = Reject(
    422, 404, "Order not found", {"orderId": ["Order does not exist or already cancelled"]}
)
BULK_FORMAT = reject(30, {"request": ["Invalid order format"]})
BULK_MARKET_MISSING = reject(30, {"market": ["validation.required"]})
BULK_MARKET_UNKNOWN = reject(30, {"market": ["validation.market_not_exist"]})
BULK_NO_ID = reject(30, {"request": ["validation.required"]})
BULK_BOTH_IDS = reject(30, {"request": ["api.validation.order.chooseOneId"]})
AMOUNT_NOT_NUMERIC = reject(32, {"amount": ["Amount field should be numeric string or number."]})
AMOUNT_NOT_POSITIVE = reject(32, {"amount": ["Amount should be greater than 0."]})
PRICE_MISSING = reject(30, {"price": ["Price field is required."]})
PRICE_NOT_NUMERIC = reject(33, {"price": ["Price field should be numeric string or number."]})
PRICE_NOT_POSITIVE = reject(33, {"price": ["Price should be greater than 0."]})
CLIENT_ID_CHARSET = reject(
    36,
    {
        "clientOrderId": [
            "ClientOrderId field should contain only latin letters, numbers and dashes."
        ]
    },
)
CLIENT_ID_DUPLICATE = reject(
    36, {"clientOrderId": ["This client order id is already used by the current account."]}
)
IOC_POST_ONLY = reject(37, {"ioc": ["Either IOC or PostOnly flag in true state is allowed."]})
# The texts of the next three are not documented [C].
IOC_RPI = reject(40, {"ioc": ["Either IOC or RPI flag in true state is allowed."]})
POST_ONLY_RPI = reject(30, {"postOnly": ["validation error"]})
BBO_ROLE_FLAGS = reject(30, {"bboRole": ["validation error"]})
RETAIL_RPI = reject(41, {"retail": ["api.tradeErrors.flagsCantBeCombined.rpiRetail"]})
RETAIL_NOT_ALLOWED = reject(42, {"retail": ["api.validation.retail.not_allowed"]})
RPI_NOT_ALLOWED = reject(43, {"rpi": ["api.validation.rpi.not_allowed"]})
FLIP_REFUSED = reject(
    115, {"hedgeMode": ["Order would result in a new position in the opposite direction"]}
)
# The texts of these six are not documented [C].
POSITION_SIDE = reject(114, {"hedgeMode": ["Order's position side does not match user's setting"]})
MODE_LOCKED = reject(
    113,
    {"hedgeMode": ["Position side cannot be changed if there exists futures positions or orders"]},
)
POSITION_TOO_BIG = reject(111, {"amount": ["margin position too big"]})
ORDERS_TOO_BIG = reject(112, {"amount": ["margin pending orders value too big"]})
LEVERAGE_INVALID = reject(30, {"leverage": ["The selected leverage is invalid."]})
LEVERAGE_FUNDS = reject(17, {"amount": ["Not enough balance."]})
NO_POSITION = reject(104, {"positionId": ["position doesn't exist."]})
REDUCE_ONLY = reject(116, {"reduceOnly": ["Reduce-only: Position doesn't exist or wrong side"]})


# The four spot market and stop endpoints say it with another code (G-27).
NO_FUNDS_SPECIAL = reject(32, {"amount": ["Not enough balance."]})
_TOO_MANY_STOPS = {"error": ["Max. limit of margin stop limit orders have been reached."]}
TOO_MANY_STOPS = reject(103, _TOO_MANY_STOPS)
OCO_TOO_MANY_STOPS = reject(152, _TOO_MANY_STOPS)
TRIGGER_MISSING = reject(30, {"activation_price": ["Activation price field is required."]})
TRIGGER_IS_LAST = reject(
    30, {"activationPrice": ["Activation price should not be equal to the last price"]}
)
# What modify refuses by the type of the order; the texts of 155, 160 and 161 are ours [C].
MODIFY_TRIGGER_IS_LAST = reject(
    101, {"activation_price": ["Activation price should not be equal to the last price."]}
)
GROUP_NOT_MODIFIABLE = reject(155, {"orderId": ["Can't modify conditional order."]})
TPSL_NOT_MODIFIABLE = reject(160, {"orderId": ["tpsl orders can't be modified."]})
TRIGGER_ON_LIMIT = reject(
    158, {"activation_price": ["Activation price can't be set for a limit order."]}
)
PRICE_ON_STOP_MARKET = reject(159, {"price": ["Limit price can't be set for stop market order."]})
TOTAL_NOT_ALLOWED = reject(162, {"total": ["Total cannot be specified for this order type"]})
AMOUNT_NOT_ALLOWED = reject(161, {"amount": ["Amount cannot be specified for this order type"]})


TAKE_PROFIT_SIDE = reject(105, {"takeProfit": ["Wrong activation price for take profit."]})
STOP_LOSS_SIDE = reject(106, {"stopLoss": ["Wrong activation price for stop loss."]})
OCO_STOP_SIDE = reject(151, {"activation_price": ["Wrong activation price for stop loss."]})
OCO_TAKES = reject(150, {"price": ["Can't place limit order."]})
# The text is not documented [C].
REDUCE_ONLY_OTO = reject(30, {"reduceOnly": ["validation error"]})


def no_book() -> Reject:
    return reject(12, {"amount": ["The amount field value, that the API unable to process."]})


def no_funds(*, modify: bool) -> Reject:
    """Code 10 on new, bulk, modify and collateral (G-27)."""
    return reject(10, {"amount": ["Not enough balance."]}, modify=modify)


def post_only(*, collateral: bool, modify: bool) -> Reject:
    """Code 13 on spot, 14 on collateral (G-34)."""
    return reject(14 if collateral else 13, {"postOnly": [_POST_ONLY]}, modify=modify)
