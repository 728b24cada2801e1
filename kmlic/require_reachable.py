"""Refuses to start a download without a network."""

import threading
import urllib.error
import urllib.request

_SECONDS = 8.0


def require_reachable(url: str, remedy: str) -> None:
    """Raises an error unless a server answers within 8 seconds.

    Libraries that download retry for minutes, or for ever, where there is no network.

    Args:
        url: of the server.
        remedy: what to do without it, for the message.

    Raises:
        ConnectionError: naming the server and the remedy.
    """
    failures: list[OSError] = []

    def ask() -> None:
        request = urllib.request.Request(url, method="HEAD")
        try:
            urllib.request.urlopen(request, timeout=_SECONDS).close()
        except urllib.error.HTTPError:
            return  # an answer too
        except OSError as error:
            failures.append(error)

    # A thread, because looking up a name has no time limit of its own.
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(_SECONDS)
    if asking.is_alive() or failures:
        reason = str(failures[0]) if failures else f"no answer in {_SECONDS:.0f} s"
        raise ConnectionError(f"{url} cannot be reached ({reason}). {remedy}")
