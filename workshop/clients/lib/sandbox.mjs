import { MANAGED_IDENTITY, TENANT_ID } from './directory.mjs';

/** A sandbox as in Azure, with sign-in and system key. Its Entra and Graph are on https too. */
export const azure = sandbox('AZURE');

/** Like {@link azure}, with the app registered as `api://…` instead of its endpoint's URL. */
export const apiIdentifier = sandbox('API_IDENTIFIER');

/** A sandbox like `func start`, with neither. */
export const local = sandbox('LOCAL');

/** Like {@link azure}, with the tools of the conformance suite in place of the test app's. */
export const conformance = sandbox('CONFORMANCE');

function sandbox(name) {
  // The sandbox's JSON line when it was ready.
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

    /** The header with the system key, for the Functions host. */
    keyHeader: { 'x-functions-key': ready.system_key },

    /** The scope that a client asks for. */
    scope: ready.sign_in?.scope,

    /** The values of `resource` that Entra accepts. */
    resources: ready.sign_in?.resources,

    /** The app's sign-in page. */
    signInUrl: ready.sign_in?.url,

    /** The app's sign-out page. */
    signOutUrl: ready.sign_in && new URL('/.auth/logout', ready.mcp_url).href,

    /** Entra's authority for the tenant. */
    authority: `${ready.authority}/${TENANT_ID}`,

    /** The same on https, for clients that demand it. */
    tlsAuthority: `${ready.tls_authority}/${TENANT_ID}`,

    /** The address of Microsoft Graph. */
    graph: ready.graph,

    /** The header with a person's token, for App Service Authentication. */
    async tokenHeader(person) {
      return { Authorization: `Bearer ${await ask(`/token/${person}`)}` };
    },

    /** Revokes the person's consents. */
    async revokeConsent(person) {
      await ask(`/consent/${person}`, { method: 'DELETE' });
    },

    /** Sets Entra's clock ahead of this machine's. */
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
