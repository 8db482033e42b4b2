// The pages of Entra and of the app in a real browser (Chromium), and the outcome of a person's answers.

import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { AxeBuilder } from '@axe-core/playwright';
import { chromium } from 'playwright-core';

import { startCallback } from '../lib/callback.mjs';
import { check } from '../lib/check.mjs';
import { MCP_CLIENT } from '../lib/directory.mjs';
import { azure } from '../lib/sandbox.mjs';

const SCREENSHOTS = fileURLToPath(new URL('../results/screenshots/', import.meta.url));
mkdirSync(SCREENSHOTS, { recursive: true });

// Chromium's own sandbox does not work for root. The pages are trusted.
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ['--no-sandbox'] });

const VIEWPORT = { width: 640, height: 720 };

/** The lifetime of a code, in seconds. */
const TEN_MINUTES = 600;

/** Opens Entra's page for a sign-in in a new browser, and passes the page and the sign-in to `visit`. */
async function withSignIn(parameters, visit, options) {
  const context = await browser.newContext({ viewport: VIEWPORT, ...options });
  const callback = await startCallback();
  try {
    const page = await context.newPage();
    const verifier = randomBytes(32).toString('base64url');
    const redirectUri = parameters.redirect_uri ?? callback.url;
    const url = new URL(`${azure.authority}/oauth2/v2.0/authorize`);
    url.search = new URLSearchParams({
      client_id: MCP_CLIENT,
      response_type: 'code',
      redirect_uri: redirectUri,
      scope: azure.scope,
      state: 'a state',
      code_challenge: createHash('sha256').update(verifier).digest('base64url'),
      code_challenge_method: 'S256',
      ...parameters,
    });
    await page.goto(url.href);
    await visit(page, { callback: callback.parameters, redirectUri, verifier });
  } finally {
    callback.close();
    await context.close();
  }
}

/** Redeems a code at the token endpoint. */
async function redeem(code, { redirectUri, verifier }) {
  const response = await fetch(`${azure.authority}/oauth2/v2.0/token`, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'authorization_code',
      client_id: MCP_CLIENT,
      code,
      redirect_uri: redirectUri,
      code_verifier: verifier,
    }),
  });
  return { status: response.status, ...(await response.json()) };
}

function choose(page, name) {
  return page.getByRole('button', { name }).click();
}

async function signInAsAda(page, { callback }) {
  await choose(page, 'Ada Lovelace');
  return callback;
}

/** Takes a screenshot of the page, and asserts that it has no serious accessibility problem. */
async function inspect(page, name) {
  await page.screenshot({ path: `${SCREENSHOTS}${name}.png`, fullPage: true });
  const { violations } = await new AxeBuilder({ page }).analyze();
  const serious = violations.filter(({ impact }) => ['serious', 'critical'].includes(impact));
  assert.deepEqual(serious.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]), []);
}

await check('a person signs in, and the client gets a code for a token', async () => {
  await withSignIn({}, async (page, signIn) => {
    await inspect(page, 'choose-an-account');
    const parameters = await signInAsAda(page, signIn);
    assert.equal(parameters.get('state'), 'a state');
    const { status, scope } = await redeem(parameters.get('code'), signIn);
    assert.deepEqual([status, scope], [200, azure.scope]);
  });
});

await check('a person signs in without scripts, by the keyboard', async () => {
  await withSignIn(
    {},
    async (page, { callback }) => {
      await page.keyboard.press('Tab');
      await page.keyboard.press('Enter');
      assert.ok((await callback).has('code'));
    },
    { javaScriptEnabled: false },
  );
});

await check('a person consents', async () => {
  await azure.revokeConsent('alan');
  await withSignIn({ scope: 'User.Read' }, async (page, signIn) => {
    await choose(page, 'Alan Turing');
    await inspect(page, 'permissions-requested');
    await choose(page, 'Accept');
    const { status } = await redeem((await signIn.callback).get('code'), signIn);
    assert.equal(status, 200);
  });
});

await check('a person refuses to consent, which the client learns', async () => {
  await azure.revokeConsent('alan');
  await withSignIn({ scope: 'User.Read' }, async (page, { callback }) => {
    await choose(page, 'Alan Turing');
    await choose(page, 'Cancel');
    assert.equal((await callback).get('error'), 'access_denied');
    assert.match((await callback).get('error_description'), /^AADSTS65004/);
  });
});

await check('a wrong redirect URI gets nobody but the person an answer', async () => {
  await withSignIn({ redirect_uri: 'http://127.0.0.1.example/callback' }, async (page) => {
    assert.equal(new URL(page.url()).origin, new URL(azure.authority).origin);
    await page.getByText('AADSTS50011').waitFor();
    await inspect(page, 'sign-in-failed');
  });
});

await check('a code expires', async () => {
  await withSignIn({}, async (page, signIn) => {
    const parameters = await signInAsAda(page, signIn);
    await azure.setClockSkew(TEN_MINUTES);
    try {
      const { error_codes } = await redeem(parameters.get('code'), signIn);
      assert.deepEqual(error_codes, [70008]);
    } finally {
      await azure.setClockSkew(0);
    }
  });
});

await check('a code is good once', async () => {
  await withSignIn({}, async (page, signIn) => {
    const code = (await signInAsAda(page, signIn)).get('code');
    await redeem(code, signIn);
    const { error_codes } = await redeem(code, signIn);
    assert.deepEqual(error_codes, [54005]);
  });
});

await check('a code is of no use to who lacks its PKCE verifier', async () => {
  await withSignIn({}, async (page, signIn) => {
    const code = (await signInAsAda(page, signIn)).get('code');
    const verifier = randomBytes(32).toString('base64url');
    const { error_codes } = await redeem(code, { ...signIn, verifier });
    assert.deepEqual(error_codes, [501481]);
  });
});

await check('a person signs out of Entra', async () => {
  await withSignIn({}, async (page, signIn) => {
    await signInAsAda(page, signIn);
    await page.goto(`${azure.authority}/oauth2/v2.0/logout`);
    await inspect(page, 'signed-out');
  });
});

/** Opens a new browser for the app, and passes its page to `visit`. */
async function withApp(visit) {
  const context = await browser.newContext({ viewport: VIEWPORT });
  try {
    await visit(await context.newPage());
  } finally {
    await context.close();
  }
}

await check('a person signs in to the app and consents, and signs out', async () => {
  await azure.revokeConsent('alan');
  await withApp(async (page) => {
    await page.goto(azure.signInUrl);
    await choose(page, 'Alan Turing');
    await inspect(page, 'app-permissions-requested');
    await choose(page, 'Accept');
    await page.getByText('You have successfully signed in').waitFor();
    await inspect(page, 'app-signed-in');

    await page.goto(azure.signOutUrl);
    await page.getByText('You have signed out').waitFor();
    await inspect(page, 'app-signed-out');
  });
});

await check('a person who refuses to consent does not get into the app', async () => {
  await azure.revokeConsent('alan');
  await withApp(async (page) => {
    await page.goto(azure.signInUrl);
    await choose(page, 'Alan Turing');
    await choose(page, 'Cancel');
    await page.getByText('AADSTS65004').waitFor();
    await inspect(page, 'app-not-signed-in');
  });
});

await browser.close();
