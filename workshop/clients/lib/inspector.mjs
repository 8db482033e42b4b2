import { run } from './program.mjs';

/**
 * Sends a request to an MCP server with the MCP Inspector (https://github.com/modelcontextprotocol/inspector), without
 * opening a browser to sign in.
 *
 * @param sandbox
 * @param {Record<string, string>} headers
 * @param {string[]} method its options for the request
 */
export async function inspect(sandbox, headers, method) {
  const pairs = Object.entries(headers).flatMap(([name, value]) => ['--header', `${name}: ${value}`]);
  const args = ['--cli', sandbox.url, '--transport', 'http', '--format', 'json', '--stored-auth-only', ...method];
  const { status, stdout, stderr } = await run('inspector', [...args, ...pairs]);
  return { status, result: stdout && JSON.parse(stdout).result, stderr };
}
