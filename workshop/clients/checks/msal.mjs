// Microsoft's own libraries for Entra, against the sandbox's Entra over https: they accept it, and their tokens are
// valid for the tools.

import assert from 'node:assert/strict';

import { ConfidentialClientApplication, PublicClientApplication } from '@azure/msal-node';

import { Browser } from '../lib/browser.mjs';
import { check } from '../lib/check.mjs';
import { MCP_CLIENT, MCP_SERVER } from '../lib/directory.mjs';
import { newHome, runPython, signInEnvironment } from '../lib/program.mjs';
import { azure } from '../lib/sandbox.mjs';
import { connectWithToken } from '../lib/typescript_client.mjs';

const GREETING = 'Hello, Ada Lovelace (ada@contoso.example)!';

const GRAPH_SCOPE = `${azure.graph}/.default`;

/** MSAL Node (https://github.com/AzureAD/microsoft-authentication-library-for-js). */
const node = {
  client: application(PublicClientApplication, MCP_CLIENT),
  server: application(ConfidentialClientApplication, MCP_SERVER, {
    clientAssertion: () => azure.clientAssertion(),
  }),
};

function application(Application, clientId, credential) {
  const authority = azure.tlsAuthority;
  // Entra's instance discovery does not know this authority.
  const knownAuthorities = [new URL(authority).host];
  return new Application({ auth: { clientId, authority, knownAuthorities, ...credential } });
}

function signIn(person) {
  return node.client.acquireTokenInteractive({
    scopes: [azure.scope],
    openBrowser: async (url) => void new Browser(person).visit(url),
  });
}

function onBehalfOf({ accessToken }) {
  return node.server.acquireTokenOnBehalfOf({ oboAssertion: accessToken, scopes: [GRAPH_SCOPE] });
}

await check('MSAL Node signs Ada in', async () => {
  const { account, scopes } = await signIn('ada');
  assert.equal(account.username, 'ada@contoso.example');
  assert.deepEqual(scopes, [azure.scope]);
});

await check('MSAL Node signs Ada in, and with its token she is greeted', async () => {
  const { accessToken } = await signIn('ada');
  const client = await connectWithToken(azure, accessToken);
  try {
    const { content } = await client.callTool({ name: 'HelloTool' });
    assert.deepEqual(content, [{ type: 'text', text: GREETING }]);
  } finally {
    await client.close();
  }
});

await check('MSAL Node finds the token in its cache and refreshes it', async () => {
  const { account } = await signIn('ada');
  const cached = await node.client.acquireTokenSilent({ account, scopes: [azure.scope] });
  assert.equal(cached.fromCache, true);
  const refreshed = await node.client.acquireTokenSilent({ account, scopes: [azure.scope], forceRefresh: true });
  assert.equal(refreshed.fromCache, false);
  assert.notEqual(refreshed.accessToken, cached.accessToken);
});

await check("MSAL Node exchanges Ada's token on her behalf, and Graph takes the new one", async () => {
  const { accessToken } = await onBehalfOf(await signIn('ada'));
  const headers = { Authorization: `Bearer ${accessToken}` };
  const response = await fetch(`${azure.graph}/v1.0/me`, { headers });
  assert.equal((await response.json()).displayName, 'Ada Lovelace');
});

await check('MSAL Node learns that Alan has to consent', async () => {
  await azure.revokeConsent('alan');
  await assert.rejects(onBehalfOf(await signIn('alan')), {
    name: 'InteractionRequiredAuthError',
    errorCode: 'invalid_grant',
    subError: 'consent_required',
  });
});

/** MSAL Python (https://github.com/AzureAD/microsoft-authentication-library-for-python). */
async function python(person) {
  const assertion = await azure.clientAssertion();
  const server = [azure.url, azure.keyHeader['x-functions-key'], 'HelloTool'];
  // A key may start with a dash, like an option.
  const args = ['--', azure.tlsAuthority, MCP_CLIENT, azure.scope, MCP_SERVER, assertion, GRAPH_SCOPE, ...server];
  const environment = signInEnvironment(person, await newHome());
  const { stdout, stderr } = await runPython('msal', 'msal_sign_in', args, environment);
  assert.ok(stdout, stderr);
  return JSON.parse(stdout);
}

await check('MSAL Python signs Ada in, refreshes her token and exchanges it on her behalf', async () => {
  const { signed_in, cached, refreshed, exchanged } = await python('ada');
  assert.equal(signed_in.id_token_claims?.preferred_username, 'ada@contoso.example', signed_in.error_description);
  assert.equal(cached.token_source, 'cache');
  assert.equal(refreshed.token_source, 'identity_provider', refreshed.error_description);
  assert.match(`${exchanged.scope}`, /\bUser\.Read\b/, exchanged.error_description);
});

await check('MSAL Python signs Ada in, and with its token she is greeted', async () => {
  const { answer } = await python('ada');
  assert.deepEqual(answer.result?.content, [{ type: 'text', text: GREETING }], JSON.stringify(answer));
});

await check('MSAL Python learns that Alan has to consent', async () => {
  await azure.revokeConsent('alan');
  const { exchanged } = await python('alan');
  assert.equal(exchanged.suberror, 'consent_required');
});
