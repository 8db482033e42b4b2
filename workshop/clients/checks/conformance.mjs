// The conformance suite of the Model Context Protocol
// (https://github.com/modelcontextprotocol/conformance).

import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';

import { startProxy } from '../lib/authenticating_proxy.mjs';
import { check } from '../lib/check.mjs';
import { run } from '../lib/program.mjs';
import { azure, conformance, local } from '../lib/sandbox.mjs';

/** The scenarios that call none of the suite's own tools. */
const ANY_SERVER = ['server-initialize', 'ping', 'tools-list', 'dns-rebinding-protection'];

const BASELINE = fileURLToPath(new URL('../conformance/baseline.yml', import.meta.url));
const REPORTS = fileURLToPath(new URL('../results/conformance', import.meta.url));

async function pass(url, selection) {
  const args = ['server', '--url', url, '--output-dir', REPORTS, ...selection];
  const { status, stdout, stderr } = await run('conformance', args);
  const output = stripVTControlCharacters(stdout + stderr);
  const verdict = Math.max(0, output.search(/Stale baseline|Unexpected failures|FAILURE/));
  assert.ok(status === 0, output.slice(verdict, verdict + 500));
}

/** Runs the suite through a proxy that adds credentials: the suite itself cannot authenticate. */
async function passWithCredentials(sandbox, selection) {
  const credentials = { ...sandbox.keyHeader, ...(await sandbox.tokenHeader('ada')) };
  const proxy = await startProxy(sandbox.url, credentials);
  try {
    await pass(proxy.url, selection);
  } finally {
    proxy.close();
  }
}

await check('the conformance suite finds nothing that its baseline does not expect', async () => {
  await passWithCredentials(conformance, ['--suite', 'all', '--expected-failures', BASELINE]);
});

for (const scenario of ANY_SERVER) {
  await check(`the app passes ${scenario} of the conformance suite`, async () => {
    await passWithCredentials(azure, ['--scenario', scenario]);
  });
  await check(`a local app passes ${scenario} of the conformance suite`, async () => {
    await pass(local.url, ['--scenario', scenario]);
  });
}
