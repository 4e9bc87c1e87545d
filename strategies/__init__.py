"""Strategies: one pure strategy a file, registered here under the name configurations use."""

from engine.strategy import register
from strategies.inventory_skew import InventorySkew

register("inventory_skew", InventorySkew)
