"""Why a local server did not start."""


class StartupError(Exception):
    """A local server could not be started; the message says which one and why."""


class DirectoryInUse(StartupError):
    """Another server is running on the same data directory."""


class PortInUse(StartupError):
    """Something listens on the wanted port already, or it may not be listened on."""
