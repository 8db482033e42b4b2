"""Signs in with MSAL, and exchanges the token on behalf of who signed in. Prints what MSAL returns, as JSON, without
tokens. Opens the browser that the variable BROWSER names.
"""

import argparse
import json

from msal import ConfidentialClientApplication, PublicClientApplication


def main(authority, client_id, scope, server_id, client_assertion, graph_scope):
    # Entra's list of its own instances does not have a sandbox in it.
    tenant = {"authority": authority, "instance_discovery": False}

    client = PublicClientApplication(client_id, **tenant)
    signed_in = client.acquire_token_interactive([scope])
    [account] = client.get_accounts() or [None]
    cached = client.acquire_token_silent_with_error([scope], account)
    refreshed = client.acquire_token_silent_with_error([scope], account, force_refresh=True)

    server = ConfidentialClientApplication(server_id, {"client_assertion": lambda: client_assertion}, **tenant)
    user_assertion = signed_in.get("access_token", "")
    exchanged = server.acquire_token_on_behalf_of(user_assertion, [graph_scope])

    outcomes = {"signed_in": signed_in, "cached": cached, "refreshed": refreshed, "exchanged": exchanged}
    print(json.dumps({name: without_tokens(outcome) for name, outcome in outcomes.items()}))


def without_tokens(outcome):
    return {name: value for name, value in outcome.items() if not name.endswith("_token")}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for name in ["authority", "client_id", "scope", "server_id", "client_assertion", "graph_scope"]:
        parser.add_argument(name)
    main(**vars(parser.parse_args()))
