"""A custom handler for Azure Functions in Python that does what this repository's handler does: it greets the caller by
what Microsoft Graph has for them. Written with the official libraries; ../README.md tells how and why.
"""

import asyncio
import base64
import gc
import logging
import math
import os
import re
import time
from contextlib import asynccontextmanager
from hashlib import sha256
from urllib.parse import urlsplit

import aiohttp
import httpx
import orjson
import uvicorn
import uvloop
from azure.core.pipeline.transport import AioHttpTransport
from azure.identity import ManagedIdentityCredential
from azure.identity.aio import OnBehalfOfCredential
from httpx_aiohttp import HttpxAiohttpClient
from kiota_abstractions.base_request_configuration import RequestConfiguration
from kiota_abstractions.native_response_handler import NativeResponseHandler
from kiota_authentication_azure.azure_identity_authentication_provider import AzureIdentityAuthenticationProvider
from kiota_http.middleware.options import ResponseHandlerOption
from msgraph import GraphRequestAdapter, GraphServiceClient
from msgraph.generated.users.item.user_item_request_builder import UserItemRequestBuilder
from msgraph.graph_request_adapter import options
from msgraph_core import GraphClientFactory

CREDENTIALS = os.environ.get("CREDENTIALS", "per-user")
GRAPH = os.environ.get("MICROSOFT_GRAPH_ENDPOINT", "https://graph.microsoft.com")
ASSERTION_SCOPE = os.environ.get("TokenExchangeAudience", "api://AzureADTokenExchange") + "/.default"
MAX_USERS = 50_000
TENANT_CLAIMS = ("tid", "http://schemas.microsoft.com/identity/claims/tenantid")

FIELDS = ["displayName", "mail", "userPrincipalName"]

# Synchronous, because the credential on behalf of a user calls back without awaiting. It keeps its token for hours.
managed_identity = ManagedIdentityCredential(client_id=os.environ["OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID"])


def client_assertion():
    """The managed identity's token, which proves this app to Entra ID."""
    return managed_identity.get_token(ASSERTION_SCOPE).token


def on_behalf_of(tenant_id, user_assertion, **options):
    return OnBehalfOfCredential(
        tenant_id,
        os.environ["WEBSITE_AUTH_CLIENT_ID"],
        client_assertion_func=client_assertion,
        user_assertion=user_assertion,
        disable_instance_discovery=True,
        **options,
    )


def graph_client(credential, http_client):
    """Microsoft Graph as the credential's user."""
    authentication = AzureIdentityAuthenticationProvider(
        credential, scopes=[f"{GRAPH}/.default"], allowed_hosts=[urlsplit(GRAPH).hostname]
    )
    adapter = GraphRequestAdapter(authentication, http_client)
    adapter.base_url = f"{GRAPH}/v1.0"
    return GraphServiceClient(request_adapter=adapter)


class KeptToken:
    """Asks the credential only when its token is about to expire, and once for all who wait, as Azure's clients do."""

    def __init__(self, credential):
        self.credential, self.token, self.renew_at = credential, None, 0

    async def get_token(self, *scopes, claims=None, **options):
        if claims or time.time() >= self.renew_at:
            self.renew_at = math.inf
            self.token = asyncio.ensure_future(self.credential.get_token(*scopes, claims=claims, **options))
            self.token.add_done_callback(self.plan_renewal)
        return await asyncio.shield(self.token)

    def plan_renewal(self, token):
        self.renew_at = 0 if token.exception() else token.result().expires_on - 300


@asynccontextmanager
async def per_call():
    """A credential, a client and their connections for each call."""
    query = UserItemRequestBuilder.UserItemRequestBuilderGetQueryParameters(select=FIELDS)
    configuration = RequestConfiguration(query_parameters=query)

    async def profile(tenant_id, token):
        http_client = GraphClientFactory.create_with_default_middleware(options=options)
        async with http_client, on_behalf_of(tenant_id, token) as credential:
            user = await graph_client(credential, http_client).me.get(configuration)
            return {"displayName": user.display_name, "mail": user.mail, "userPrincipalName": user.user_principal_name}

    yield profile


@asynccontextmanager
async def per_user():
    """A credential and a client for each user, and connections for all. ../README.md has what each choice gains."""
    users = {}
    url = f"{GRAPH}/v1.0/me?$select={','.join(FIELDS)}"
    native = RequestConfiguration(options=[ResponseHandlerOption(NativeResponseHandler())])
    http_client = HttpxAiohttpClient(timeout=100, limits=httpx.Limits(max_connections=None))
    GraphClientFactory.create_with_default_middleware(client=http_client, options=options)
    async with http_client, aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        transport = AioHttpTransport(session=session, session_owner=False)

        async def profile(tenant_id, token):
            # A hash, so that the map holds no secret as a key.
            key = sha256(f"{tenant_id} {token}".encode()).digest()
            me = users.get(key)
            if me is None:
                credential = KeptToken(on_behalf_of(tenant_id, token, transport=transport))
                me = graph_client(credential, http_client).me.with_url(url)
                if len(users) >= MAX_USERS:
                    del users[next(iter(users))]
                users[key] = me
            response = await me.get(native)
            return orjson.loads(response.raise_for_status().content)

        yield profile


def tool_call(body):
    """What the MCP extension says of the tool call: JSON in a string, in a string, in the host's JSON."""
    return orjson.loads(orjson.loads(orjson.loads(body)["Data"]["mcpTrigger"]))


def caller(tool_call):
    """The caller's tenant and token. The token's signature is not verified, as in the public samples: App Service
    Authentication has done so. The Rust handler does verify it.
    """
    headers = {name.lower(): value for name, value in tool_call["transport"]["properties"]["headers"].items()}
    [token] = re.fullmatch("Bearer +(.+)", headers["authorization"], re.IGNORECASE).groups()
    claims = orjson.loads(base64.b64decode(headers["x-ms-client-principal"]))["claims"]
    return next(claim["val"] for claim in claims if claim["typ"] in TENANT_CLAIMS), token


async def greet(profile, body):
    user = await profile(*caller(tool_call(body)))
    greeting = {"name": user["displayName"] or "there"}
    text = f"Hello, {greeting['name']}"
    if email := user["mail"] or user["userPrincipalName"]:
        greeting["email"] = email
        text += f" ({email})"
    return {"content": [{"type": "text", "text": f"{text}!"}], "structuredContent": greeting, "isError": False}


def failure(error):
    logging.error("tool call failed: %s: %s", type(error).__name__, error)
    text = "The tool could not greet you. Try again later."
    return {"content": [{"type": "text", "text": text}], "isError": True}


def answer(result):
    """The result as the MCP extension reads it with `useResultSchema`."""
    return_value = orjson.dumps({"type": "call_tool_result", "content": orjson.dumps(result).decode()})
    return orjson.dumps({"Outputs": {}, "Logs": [], "ReturnValue": return_value.decode()})


async def respond(send, status, body=b""):
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def read(receive):
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


async def main():
    async with {"per-call": per_call, "per-user": per_user}[CREDENTIALS]() as profile:

        async def app(scope, receive, send):
            if scope["method"] != "POST":
                return await respond(send, 200)
            if scope["path"] != "/HelloTool":
                return await respond(send, 404)
            try:
                result = await greet(profile, await read(receive))
            except Exception as error:
                result = failure(error)
            await respond(send, 200, answer(result))

        port = int(os.environ["FUNCTIONS_CUSTOMHANDLER_PORT"])
        config = uvicorn.Config(
            app, port=port, http="httptools", ws="none", lifespan="off", interface="asgi3", access_log=False,
            log_level="error", proxy_headers=False, server_header=False, date_header=False, timeout_keep_alive=120,
        )  # fmt: skip
        await uvicorn.Server(config).serve()


if __name__ == "__main__":
    # What the libraries made at import stays, and need not be looked at by the garbage collector.
    gc.collect()
    gc.freeze()
    uvloop.run(main())
