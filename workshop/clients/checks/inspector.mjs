// The MCP Inspector on its command line.

import assert from 'node:assert/strict';

import { check } from '../lib/check.mjs';
import { inspect } from '../lib/inspector.mjs';
import { azure, local } from '../lib/sandbox.mjs';

/** The Inspector's exit codes for an answer with `isError` and for one that asks to sign in. */
const TOOL_IS_ERROR = 5;
const AUTH_REQUIRED = 3;

const LIST = ['--method', 'tools/list'];
const CALL = ['--method', 'tools/call', '--tool-name', 'HelloTool'];

async function succeed(sandbox, headers, method) {
  const { status, result, stderr } = await inspect(sandbox, headers, method);
  assert.equal(status, 0, stderr);
  return result;
}

async function headersOf(person) {
  return { ...azure.keyHeader, ...(await azure.tokenHeader(person)) };
}

async function lists(sandbox, headers) {
  // The Inspector also reports parts of the schemas that some clients and models do not support.
  const { tools } = await succeed(sandbox, headers, [...LIST, '--strict']);
  assert.ok(tools.some((tool) => tool.name === 'HelloTool'));
}

async function greets(name, email, sandbox, headers) {
  const { content, structuredContent } = await succeed(sandbox, headers, CALL);
  assert.deepEqual(content, [{ type: 'text', text: `Hello, ${name} (${email})!` }]);
  assert.deepEqual(structuredContent, { name, email });
}

await check('the Inspector lists HelloTool and finds no error in its schemas', async () => {
  await lists(azure, await headersOf('ada'));
});

await check('the Inspector is greeted as Ada with her token', async () => {
  await greets('Ada Lovelace', 'ada@contoso.example', azure, await headersOf('ada'));
});

await check('the Inspector is greeted as Grace, who has no mailbox, with hers', async () => {
  await greets('Grace Hopper', 'grace@contoso.example', azure, await headersOf('grace'));
});

await check('the Inspector shows Alan where to consent', async () => {
  await azure.revokeConsent('alan');
  const { status, result, stderr } = await inspect(azure, await headersOf('alan'), CALL);
  assert.equal(status, TOOL_IS_ERROR, stderr);
  assert.equal(result.isError, true);
  assert.ok(result.content[0].text.includes(new URL('/.auth/login/aad', azure.url).href));
});

await check('the Inspector is refused without a token', async () => {
  const { status, stderr } = await inspect(azure, azure.keyHeader, LIST);
  assert.equal(status, AUTH_REQUIRED, stderr);
});

await check('the Inspector is refused without the system key', async () => {
  const { status, stderr } = await inspect(azure, await azure.tokenHeader('ada'), LIST);
  assert.equal(status, AUTH_REQUIRED, stderr);
});

await check('the Inspector lists HelloTool of a local app without any header', async () => {
  await lists(local, {});
});

await check('the Inspector is greeted by a local app as its developer', async () => {
  await greets('Ada Lovelace', 'ada@contoso.example', local, {});
});
