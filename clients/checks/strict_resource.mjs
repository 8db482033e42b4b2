// Entra refuses `resource` unless it is the API of the scope (AADSTS9010010). Clients send the MCP
// server's URL there, which it is not. What becomes of it, and what helps: docs/authorization.md.

import assert from 'node:assert/strict';

import { callers } from '../lib/callers.mjs';
import { check } from '../lib/check.mjs';
import { strictResource } from '../lib/sandbox.mjs';

for (const [client, call] of Object.entries(callers)) {
  await check(`${client} cannot sign in with a resource that Entra refuses`, async () => {
    await assert.rejects(call(strictResource, 'ada'), /AADSTS9010010/);
  });
  // It has no option for it.
  if (client === 'the Inspector') continue;
  await check(`${client} signs in when it leaves the resource out`, async () => {
    const { isError, content } = await call(strictResource, 'ada', { withoutResource: true });
    assert.ok(!isError, content[0].text);
  });
}
