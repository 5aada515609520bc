"""HTTP clients: whatever a library, a request on the wire is a remote strand that its client waits for."""

from orchprof.record.hooks.http import aiohttp, httpcore, stdlib, urllib3
from orchprof.record.hooks.patches import Patches
from orchprof.record.strands import Strands


def hook(strands: Strands, patches: Patches) -> None:
    """Follow each library's requests as soon as the program imports it.

    httpx and httpx2 sit on httpcore and httpcore2; urllib.request, urllib3, requests and botocore on http.client.
    """
    for library in (httpcore, aiohttp, stdlib, urllib3):
        library.hook(strands, patches)
