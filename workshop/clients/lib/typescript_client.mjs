import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js';

import { Browser } from './browser.mjs';
import { startCallback } from './callback.mjs';
import { MCP_CLIENT } from './directory.mjs';

/** The client's name and version. */
export const IMPLEMENTATION = { name: 'clients', version: '1.0.0' };

/**
 * Connects the TypeScript SDK (https://github.com/modelcontextprotocol/typescript-sdk) to an MCP
 * server, after a person has signed in.
 *
 * @param sandbox
 * @param {string} person the short name: `ada`
 * @param {{ withoutResource?: boolean }} [options] whether to leave out the parameter `resource`
 * @returns {Promise<Client>} to be closed
 */
export async function connect(sandbox, person, { withoutResource } = {}) {
  const callback = await startCallback();
  try {
    const authProvider = new AuthProvider(callback.url, (url) => signIn(person, url));
    if (withoutResource) authProvider.validateResourceURL = async () => undefined;
    const transport = () =>
      new StreamableHTTPClientTransport(new URL(sandbox.url), {
        authProvider,
        requestInit: { headers: sandbox.keyHeader },
      });

    const client = new Client(IMPLEMENTATION);
    const unauthorized = transport();
    try {
      await client.connect(unauthorized);
    } catch (error) {
      if (!(error instanceof UnauthorizedError)) throw error;
      const parameters = await callback.parameters;
      if (parameters.has('error')) throw new Error(parameters.get('error_description'));
      await unauthorized.finishAuth(parameters.get('code'));
      await client.connect(transport());
    }
    return client;
  } finally {
    callback.close();
  }
}

/**
 * Like {@link connect}, with a given token.
 *
 * @param sandbox
 * @param {string} accessToken
 * @returns {Promise<Client>} to be closed
 */
export async function connectWithToken(sandbox, accessToken) {
  const headers = { ...sandbox.keyHeader, Authorization: `Bearer ${accessToken}` };
  const client = new Client(IMPLEMENTATION);
  await client.connect(new StreamableHTTPClientTransport(new URL(sandbox.url), { requestInit: { headers } }));
  return client;
}

async function signIn(person, url) {
  const { status, text } = await new Browser(person).visit(url);
  if (status !== 200) throw new Error(text);
}

/** An OAuth provider that keeps verifier and tokens in memory. */
class AuthProvider {
  #openBrowser;
  #verifier;
  #tokens;

  constructor(redirectUrl, openBrowser) {
    this.redirectUrl = redirectUrl;
    this.clientMetadata = { redirect_uris: [redirectUrl], token_endpoint_auth_method: 'none' };
    this.#openBrowser = openBrowser;
  }

  clientInformation() {
    return { client_id: MCP_CLIENT };
  }

  codeVerifier() {
    return this.#verifier;
  }

  saveCodeVerifier(verifier) {
    this.#verifier = verifier;
  }

  tokens() {
    return this.#tokens;
  }

  saveTokens(tokens) {
    this.#tokens = tokens;
  }

  async redirectToAuthorization(url) {
    await this.#openBrowser(url);
  }
}
