"""HTTP clients: whatever a library, a request on the wire is a remote strand that its client waits for.

httpx and httpx2 sit on httpcore and httpcore2; urllib.request, urllib3, requests and botocore on http.client.
"""
