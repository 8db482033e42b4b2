// Each client signs in without a token: the whole protocol of docs/authorization.md.

import assert from 'node:assert/strict';

import { callers } from '../lib/callers.mjs';
import { check } from '../lib/check.mjs';
import { azure } from '../lib/sandbox.mjs';

for (const [client, call] of Object.entries(callers)) {
  await check(`${client} signs Ada in and is greeted`, async () => {
    const { content, structuredContent } = await call(azure, 'ada');
    assert.deepEqual(content, [{ type: 'text', text: 'Hello, Ada Lovelace (ada@contoso.example)!' }]);
    assert.deepEqual(structuredContent, { name: 'Ada Lovelace', email: 'ada@contoso.example' });
  });
}
