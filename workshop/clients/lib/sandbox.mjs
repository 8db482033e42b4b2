import { MANAGED_IDENTITY, TENANT_ID } from './directory.mjs';

/** A sandbox that runs as in Azure: with sign-in and system key. Its Entra and Graph are on https as well. */
export const azure = sandbox('AZURE');

/** As {@link azure}, where the app is registered as `api://…` and not by its endpoint. */
export const apiIdentifier = sandbox('API_IDENTIFIER');

/** A sandbox that runs as `func start` does: without either. */
export const local = sandbox('LOCAL');

/** As {@link azure}, with the tools of the conformance suite in place of the test app's. */
export const conformance = sandbox('CONFORMANCE');

function sandbox(name) {
  // What the sandbox said when it was ready.
  const ready = JSON.parse(process.env[`SANDBOX_${name}`] ?? '{}');

  async function ask(path, options) {
    const response = await fetch(ready.control_url + path, options);
    const text = await response.text();
    if (!response.ok) throw new Error(`${path}: ${text}`);
    return text;
  }

  return {
    /** The URL of the MCP server. */
    url: ready.mcp_url,

    /** What shows the Functions host that the caller may use the MCP server. */
    keyHeader: { 'x-functions-key': ready.system_key },

    /** What a client asks for in order to call the MCP server. */
    scope: ready.sign_in?.scope,

    /** What Entra accepts as `resource`. */
    resources: ready.sign_in?.resources,

    /** Where people sign in to the app with a browser. */
    signInUrl: ready.sign_in?.url,

    /** Where they sign out of it. */
    signOutUrl: ready.sign_in && new URL('/.auth/logout', ready.mcp_url).href,

    /** Entra's authority for the tenant. */
    authority: `${ready.authority}/${TENANT_ID}`,

    /** The same on https, for clients that demand it. */
    tlsAuthority: `${ready.tls_authority}/${TENANT_ID}`,

    /** The address of Microsoft Graph. */
    graph: ready.graph,

    /** What shows App Service Authentication who calls. */
    async tokenHeader(person) {
      return { Authorization: `Bearer ${await ask(`/token/${person}`)}` };
    },

    /** The person takes back what they have consented to. */
    async revokeConsent(person) {
      await ask(`/consent/${person}`, { method: 'DELETE' });
    },

    /** Lets Entra's clock be ahead of this machine's. */
    async setClockSkew(seconds) {
      const headers = { 'Content-Type': 'application/json' };
      await ask('/clock', { method: 'POST', headers, body: JSON.stringify({ skew_seconds: seconds }) });
    },

    /** The managed identity's token that proves the MCP server to Entra. */
    async clientAssertion() {
      const url = new URL(ready.identity_endpoint);
      url.searchParams.set('api-version', '2019-08-01');
      url.searchParams.set('resource', 'api://AzureADTokenExchange');
      url.searchParams.set('client_id', MANAGED_IDENTITY);
      const response = await fetch(url, { headers: { 'X-IDENTITY-HEADER': ready.identity_header } });
      if (!response.ok) throw new Error(`no client assertion: ${await response.text()}`);
      return (await response.json()).access_token;
    },
  };
}
