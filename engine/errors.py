"""What stops the program. Refusals and unknown outcomes are events, not exceptions."""


class QuotefoldError(Exception):
    """Base of every error this project raises on purpose."""


class ConfigError(QuotefoldError):
    """A configuration, a flag or an input file was refused before anything was started."""


class JournalError(QuotefoldError):
    """The journal cannot be written, read or trusted: stop."""


class ReplayDivergence(QuotefoldError):
    """Recording and recomputation differ; the message names the first seq."""


class VenueError(QuotefoldError):
    """The conversation with the venue broke."""


class LocalProtocolError(VenueError):
    """We broke the venue's rules: our bug."""


class RemoteProtocolError(VenueError):
    """The venue broke its own documentation."""
