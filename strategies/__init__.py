"""Strategies: one pure strategy a file, registered here under the name configurations use.

`ladder`, `reasons` and `volatility` are what they share; `arrivals`, `beside` and `turned` what one
of them remembers, or sees of another market.
"""

from engine.strategy import register
from strategies.avellaneda_stoikov import AvellanedaStoikov
from strategies.glft import Glft
from strategies.grid import Grid
from strategies.hedged import Hedged
from strategies.inventory_skew import InventorySkew
from strategies.micro_price import MicroPrice
from strategies.rpi_overlay import RpiOverlay
from strategies.symmetric import Symmetric

register("avellaneda_stoikov", AvellanedaStoikov)
register("glft", Glft)
register("grid", Grid)
register("hedged", Hedged)
register("inventory_skew", InventorySkew)
register("micro_price", MicroPrice)
register("rpi_overlay", RpiOverlay)
register("symmetric", Symmetric)
