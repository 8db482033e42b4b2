// Entra refuses a `resource` that is not an identifier URI of the scope's API (AADSTS9010010). Clients send the MCP
// server's URL as `resource`, which is an identifier URI unless the app is registered as `api://…` alone. These checks
// cover that case, as docs/authorization.md describes it; sign_in.mjs covers the other.

import assert from 'node:assert/strict';

import { callers } from '../lib/callers.mjs';
import { check } from '../lib/check.mjs';
import { inspect } from '../lib/inspector.mjs';
import { apiIdentifier, azure } from '../lib/sandbox.mjs';

const GREETING = 'Hello, Ada Lovelace (ada@contoso.example)!';

await check('the endpoint is a resource that Entra accepts, unless the app is registered as api://… alone', async () => {
  assert.ok(azure.resources.includes(azure.url));
  assert.equal(azure.scope, `${azure.url}/user_impersonation`);
  assert.ok(!apiIdentifier.resources.includes(apiIdentifier.url));
  assert.match(apiIdentifier.scope, /^api:\/\/.*\/user_impersonation$/);
});

for (const [client, call] of Object.entries(callers)) {
  await check(`${client} cannot sign in to an app that is registered as api://… alone`, async () => {
    await assert.rejects(call(apiIdentifier, 'ada'), /AADSTS9010010/);
  });
  // The Inspector has no option for it.
  if (client === 'the Inspector') continue;
  await check(`${client} signs in there when it leaves the resource out`, async () => {
    const { content } = await call(apiIdentifier, 'ada', { withoutResource: true });
    assert.equal(content[0].text, GREETING);
  });
}

await check('the Inspector is greeted there with a token that it did not fetch itself', async () => {
  const headers = { ...apiIdentifier.keyHeader, ...(await apiIdentifier.tokenHeader('ada')) };
  const { result, stderr } = await inspect(apiIdentifier, headers, ['--method', 'tools/call', '--tool-name', 'HelloTool']);
  assert.equal(result?.content[0].text, GREETING, stderr);
});
