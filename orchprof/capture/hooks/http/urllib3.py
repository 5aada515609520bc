"""urllib3, and with it requests and botocore: waiting for a free connection, and its own way of connecting.

The requests themselves go through http.client, and are followed there.
"""

import functools
from collections.abc import Callable
from typing import Any

from orchprof.capture.hooks.http.call import Call, Library
from orchprof.capture.hooks.http.stdlib import connecting
from orchprof.capture.hooks.patches import Patches
from orchprof.capture.strands import Strands


def hook(strands: Strands, patches: Patches) -> None:
    """Follow its pools and its connections."""

    def library(module: Any, expiry: type[BaseException]) -> Library:
        return Library((strands, patches, module.__name__), _unasked, _untold, (TimeoutError, expiry))

    def patch_connection(module: Any) -> None:
        known = library(module, module.ConnectTimeoutError)
        patches.replace(module.HTTPConnection, "_new_conn", connecting(known, "connect_ns"))
        patches.replace(module.HTTPSConnection, "connect", connecting(known, "tls_ns"))

    def patch_pool(module: Any) -> None:
        known = library(module, module.EmptyPoolError)
        patches.replace(module.HTTPConnectionPool, "_get_conn", functools.partial(_get_conn, known))

    patches.when_imported("urllib3.connection", patch_connection)
    patches.when_imported("urllib3.connectionpool", patch_pool)


def _unasked(_request: Any) -> tuple[str, str, str]:
    raise TypeError("a pool or a connection asks for nothing itself")


def _untold(_response: Any) -> tuple[int, dict[str, str]]:
    raise TypeError("a pool or a connection is told nothing itself")


def _get_conn(library: Library, original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def get_conn(pool: Any, *args: Any, **kwargs: Any) -> Any:
        wait = Call(library, None)
        wait.asks()
        try:
            connection = original(pool, *args, **kwargs)
        except BaseException as error:
            wait.failed(error)
            raise
        wait.goes_on()
        return connection

    return get_conn
