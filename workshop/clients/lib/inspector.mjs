import { run } from './program.mjs';

/**
 * Asks an MCP server for something with the MCP Inspector (https://github.com/modelcontextprotocol/inspector),
 * which never starts a browser to sign in.
 *
 * @param sandbox
 * @param {Record<string, string>} headers
 * @param {string[]} method its options that say what to ask for
 */
export async function inspect(sandbox, headers, method) {
  const pairs = Object.entries(headers).flatMap(([name, value]) => ['--header', `${name}: ${value}`]);
  const args = ['--cli', sandbox.url, '--transport', 'http', '--format', 'json', '--stored-auth-only', ...method];
  const { status, stdout, stderr } = await run('inspector', [...args, ...pairs]);
  return { status, result: stdout && JSON.parse(stdout).result, stderr };
}
