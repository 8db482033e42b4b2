// MCP clients that are given only a client id: each lets a person sign in, and calls HelloTool.

import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';

import { freePort } from './callback.mjs';
import { MCP_CLIENT } from './directory.mjs';
import { newHome, program, run, runPython, signInEnvironment } from './program.mjs';
import { IMPLEMENTATION, connect } from './typescript_client.mjs';

const TOOL = 'HelloTool';

/** The time limit for a sign-in, in milliseconds. */
const PATIENCE = 15_000;

/**
 * The clients by name. Each takes a sandbox, a person and perhaps `{ withoutResource: true }`, and returns the
 * tool's result.
 */
export const callers = {
  'the TypeScript SDK': typescript,
  'the Python SDK 1.30': (...call) => python('mcp-1', ...call),
  'the Python SDK 2.3': (...call) => python('mcp-2', ...call),
  'the Inspector': inspector,
  'mcp-remote': mcpRemote,
};

async function typescript(sandbox, person, options) {
  const client = await connect(sandbox, person, options);
  try {
    return await client.callTool({ name: TOOL });
  } finally {
    await client.close();
  }
}

async function python(requirements, sandbox, person, { withoutResource } = {}) {
  const options = withoutResource ? ['--without-resource'] : [];
  // A key may start with a dash, like an option.
  const args = [...options, '--', sandbox.url, sandbox.keyHeader['x-functions-key'], MCP_CLIENT, TOOL];
  const environment = signInEnvironment(person, await newHome());
  return output(await runPython(requirements, 'call_tool', args, environment));
}

/** It has no option to leave the parameter `resource` out. */
async function inspector(sandbox, person) {
  const { result } = output(
    await run(
      'inspector',
      [
        ...['--cli', sandbox.url, '--transport', 'http', '--format', 'json', '--quiet'],
        ...['--header', `x-functions-key: ${sandbox.keyHeader['x-functions-key']}`],
        ...['--client-id', MCP_CLIENT, '--callback-url', 'http://127.0.0.1:0/oauth/callback'],
        ...['--method', 'tools/call', '--tool-name', TOOL],
      ],
      signInEnvironment(person, await newHome()),
    ),
  );
  return result;
}

/** A bridge, used by a client on the TypeScript SDK. After a failed sign-in, it keeps waiting. */
async function mcpRemote(sandbox, person, { withoutResource } = {}) {
  const args = [
    // The port that it derives from the URL may be in use.
    ...[sandbox.url, `${await freePort()}`, '--transport', 'http-only'],
    ...['--header', `x-functions-key:${sandbox.keyHeader['x-functions-key']}`],
    ...['--static-oauth-client-info', JSON.stringify({ client_id: MCP_CLIENT })],
  ];
  if (withoutResource) args.push('--disable-resource-parameter');
  const transport = new StdioClientTransport({
    command: program('mcp-remote'),
    args,
    env: { ...process.env, ...signInEnvironment(person, await newHome()) },
    stderr: 'pipe',
  });
  let errors = '';
  transport.stderr.on('data', (data) => (errors += data));
  const client = new Client(IMPLEMENTATION);
  try {
    await client.connect(transport, { timeout: PATIENCE });
    return await client.callTool({ name: TOOL });
  } catch (error) {
    throw new Error(`${error.message}: ${errors}`);
  } finally {
    await client.close();
  }
}

function output({ stdout, stderr }) {
  if (!stdout) throw new Error(stderr);
  return JSON.parse(stdout);
}
