"""Signs in with MSAL, calls a tool with the token, and exchanges it on behalf of the user. Prints the results of MSAL and
of the MCP server as JSON, without tokens. Opens the browser that the variable BROWSER names.
"""

import argparse
import json

import requests
from msal import ConfidentialClientApplication, PublicClientApplication


def main(authority, client_id, scope, server_id, client_assertion, graph_scope, url, key, tool):
    # Entra's instance discovery does not know the sandbox.
    tenant = {"authority": authority, "instance_discovery": False}

    client = PublicClientApplication(client_id, **tenant)
    signed_in = client.acquire_token_interactive([scope])
    [account] = client.get_accounts() or [None]
    cached = client.acquire_token_silent_with_error([scope], account)
    refreshed = client.acquire_token_silent_with_error([scope], account, force_refresh=True)

    server = ConfidentialClientApplication(server_id, {"client_assertion": lambda: client_assertion}, **tenant)
    user_assertion = signed_in.get("access_token", "")
    exchanged = server.acquire_token_on_behalf_of(user_assertion, [graph_scope])

    answer = call(url, key, user_assertion, tool)

    outcomes = {"signed_in": signed_in, "cached": cached, "refreshed": refreshed, "exchanged": exchanged, "answer": answer}
    print(json.dumps({name: without_tokens(outcome) for name, outcome in outcomes.items()}))


def call(url, key, token, tool):
    """The JSON-RPC answer to a tool call, which comes as the only server-sent event; otherwise the HTTP status."""
    response = requests.post(
        url,
        json={"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": {}}},
        headers={
            "Accept": "application/json, text/event-stream",
            "Authorization": f"Bearer {token}",
            "x-functions-key": key,
        },
        timeout=30,
    )
    events = [line.removeprefix("data: ") for line in response.text.splitlines() if line.startswith("data: {")]
    return json.loads(events[0]) if events else {"status": response.status_code}


def without_tokens(outcome):
    return {name: value for name, value in outcome.items() if not name.endswith("_token")}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for name in ["authority", "client_id", "scope", "server_id", "client_assertion", "graph_scope", "url", "key", "tool"]:
        parser.add_argument(name)
    main(**vars(parser.parse_args()))
