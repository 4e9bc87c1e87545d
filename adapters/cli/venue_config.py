"""The section [venue]: where to quote, and whether it is real money that is traded there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from msgspec import Struct

from adapters.cli.config_errors import refused, shown
from adapters.whitebit.urls import is_loopback, parse_url
from engine.errors import ConfigError

_HTTP, _WS = ("https", "http"), ("wss", "ws")


class VenueConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the venue is; without this section `run` starts a paper venue of its own."""

    rest_url: str
    ws_url: str
    rest_fallback_url: str | None = None
    """Where `rest_url` is a colocated host: the standard one, for all that it does not serve."""
    region: Literal["com", "eu"] = "com"
    """Whose rules hold; in the EU no maker order exists, so nothing can be quoted there."""
    mode: Literal["paper", "live"] | None = None
    """Whether it is a paper venue or the exchange; None is `live` but on this machine."""

    @property
    def is_live(self) -> bool:
        """True where orders are real: the exchange itself, or a way to it from this machine."""
        return self.mode == "live" or not self._on_this_machine

    @property
    def _on_this_machine(self) -> bool:
        return all(is_loopback(parse_url(url, *schemes).host) for _, url, schemes in self._urls())

    def _urls(self) -> Iterator[tuple[str, str, tuple[str, str]]]:
        yield "rest_url", self.rest_url, _HTTP
        yield "ws_url", self.ws_url, _WS
        if self.rest_fallback_url is not None:
            yield "rest_fallback_url", self.rest_fallback_url, _HTTP

    def check(self, source: str) -> None:
        """Refuse addresses to which neither keys nor orders should go.

        Raises:
            ConfigError: clear text to another machine, the EU's host by the rules of another
                region, or a paper venue that is not on this machine.
        """
        for name, url, schemes in self._urls():
            key = f"venue.{name}"
            try:
                endpoint = parse_url(url, *schemes)
            except ConfigError as error:
                raise refused(source, key, str(error)) from error
            if not endpoint.tls and not is_loopback(endpoint.host):
                problem = f"expected {schemes[0]}, found {shown(url)}"
                raise refused(source, key, problem, "only this machine is reached without TLS")
            if endpoint.host.endswith("whitebit.eu") and self.region != "eu":
                raise refused(source, key, f'expected region = "eu" with {shown(url)}')
        if self.mode == "paper" and not self._on_this_machine:
            problem = f'expected "live", found "paper" with {shown(self.rest_url)}'
            hint = "only a venue on this machine is taken for paper"
            raise refused(source, "venue.mode", problem, hint)
