"""Signs in with the SDK of the Model Context Protocol, calls a tool and prints what it answers, as JSON.

Opens the browser that the variable BROWSER names. Keeps nothing.
"""

import argparse
import asyncio
import threading
import webbrowser
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

from mcp import ClientSession
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata

try:
    import httpx2 as httpx
    from mcp.shared.auth import AuthorizationCodeResult
except ImportError:
    # mcp 1 is based on httpx, and takes a pair.
    import httpx

    def AuthorizationCodeResult(code, state):
        return code, state


class Callback(HTTPServer):
    """Answers one request: the redirect at the end of the sign-in."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), CallbackRequest)
        self.url = f"http://127.0.0.1:{self.server_port}/callback"
        self.parameters = {}
        self.thread = threading.Thread(target=self.handle_request, daemon=True)
        self.thread.start()

    async def result(self):
        await asyncio.to_thread(self.thread.join)
        if "code" not in self.parameters:
            raise RuntimeError(self.parameters["error_description"][0])
        return AuthorizationCodeResult(code=self.parameters["code"][0], state=self.parameters["state"][0])


class CallbackRequest(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.parameters = parse_qs(urlsplit(self.path).query)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        """Logs nothing: the request has a code in it."""


class Storage:
    """Holds the client id, and keeps tokens in memory."""

    def __init__(self, client):
        self.client = client
        self.tokens = None

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client):
        self.client = client

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens


async def open_browser(url):
    await asyncio.to_thread(webbrowser.open, url)


async def main(url, key, client_id, tool, without_resource):
    callback = Callback()
    metadata = {"redirect_uris": [callback.url], "token_endpoint_auth_method": "none"}
    auth = OAuthClientProvider(
        server_url=url,
        client_metadata=OAuthClientMetadata(**metadata),
        storage=Storage(OAuthClientInformationFull(client_id=client_id, **metadata)),
        redirect_handler=open_browser,
        callback_handler=callback.result,
    )
    if without_resource:
        # The SDK has no option for it.
        auth.context.should_include_resource_param = lambda *_: False
    async with (
        httpx.AsyncClient(auth=auth, headers={"x-functions-key": key}, timeout=30) as http,
        streamable_http_client(url, http_client=http) as (read, write, *_),
        ClientSession(read, write) as session,
    ):
        await session.initialize()
        result = await session.call_tool(tool)
        print(result.model_dump_json(by_alias=True, exclude_none=True))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for name in ["url", "key", "client_id", "tool"]:
        parser.add_argument(name)
    parser.add_argument("--without-resource", action="store_true")
    asyncio.run(main(**vars(parser.parse_args())))
