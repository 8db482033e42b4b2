// A person who has not consented to the MCP server's calls of Microsoft Graph: the tool's answer has a link, the
// person consents there in a browser, and then the tool works.

import assert from 'node:assert/strict';
import { setTimeout } from 'node:timers/promises';

import { Browser } from '../lib/browser.mjs';
import { callers } from '../lib/callers.mjs';
import { check } from '../lib/check.mjs';
import { azure } from '../lib/sandbox.mjs';
import { connect } from '../lib/typescript_client.mjs';

const GREETING = 'Hello, Alan Turing (alan@contoso.example)!';

/** Longer than the server caches a missing consent. */
const PATIENCE = AbortSignal.timeout(60_000);

/** Consents as Alan at the link in the answer of a refused call. */
async function consentAt({ isError, content: [{ text }] }) {
  assert.equal(isError, true, text);
  const [link] = /http\S+\/\.auth\/login\/aad\S*/.exec(text) ?? [];
  assert.ok(link, text);
  const page = await new Browser('alan').visit(link);
  assert.equal(page.status, 200, page.text);
  assert.match(page.text, /You have successfully signed in/);
}

await check('Alan consents while the TypeScript SDK is connected, and its next calls are answered', async () => {
  await azure.revokeConsent('alan');
  const client = await connect(azure, 'alan');
  try {
    const callTool = () => client.callTool({ name: 'HelloTool' });
    await consentAt(await callTool());
    let result = await callTool();
    while (result.isError) {
      await setTimeout(1_000, undefined, { signal: PATIENCE });
      result = await callTool();
    }
    assert.equal(result.content[0].text, GREETING);
  } finally {
    await client.close();
  }
});

for (const [client, call] of Object.entries(callers)) {
  await check(`${client} shows Alan where to consent, and is greeted when he has`, async () => {
    await azure.revokeConsent('alan');
    await consentAt(await call(azure, 'alan'));
    const { content } = await call(azure, 'alan');
    assert.equal(content[0].text, GREETING);
  });
}
