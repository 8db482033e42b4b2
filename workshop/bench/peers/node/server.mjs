// A custom handler for Azure Functions in Node.js that does what this repository's handler does: it greets the caller
// by what Microsoft Graph has for them. Written with the official libraries; ../README.md explains how and why.

import { createServer } from 'node:http';
import { hash } from 'node:crypto';

import { ManagedIdentityCredential, OnBehalfOfCredential } from '@azure/identity';
import {
  AuthenticationHandler,
  Client,
  RetryHandler,
  RetryHandlerOptions,
  TelemetryHandler,
} from '@microsoft/microsoft-graph-client';
import { TokenCredentialAuthenticationProvider } from '@microsoft/microsoft-graph-client/authProviders/azureTokenCredentials/index.js';
import { Agent } from 'undici';

const {
  CREDENTIALS = 'per-user',
  FUNCTIONS_CUSTOMHANDLER_PORT,
  MICROSOFT_GRAPH_ENDPOINT = 'https://graph.microsoft.com',
  OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID,
  TokenExchangeAudience = 'api://AzureADTokenExchange',
  WEBSITE_AUTH_CLIENT_ID,
} = process.env;

const MAX_USERS = 50_000;
const TENANT_CLAIMS = ['tid', 'http://schemas.microsoft.com/identity/claims/tenantid'];

const managedIdentity = keepToken(
  new ManagedIdentityCredential({ clientId: OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID }),
);

/** The managed identity's token, which proves this app to Entra ID. */
async function getAssertion() {
  return (await managedIdentity.getToken(`${TokenExchangeAudience}/.default`)).token;
}

function onBehalfOf(tenantId, userAssertionToken) {
  return new OnBehalfOfCredential({
    tenantId,
    clientId: WEBSITE_AUTH_CLIENT_ID,
    userAssertionToken,
    getAssertion,
    disableInstanceDiscovery: true,
    additionalPolicies: [{ policy: rememberMetadata, position: 'perCall' }],
  });
}

const metadata = new Map();

/** MSAL has the metadata of Entra ID's public addresses built in. This spares it the request for any other, too. */
const rememberMetadata = {
  name: 'rememberMetadata',
  async sendRequest(request, next) {
    if (!request.url.endsWith('/.well-known/openid-configuration')) return next(request);
    if (!metadata.has(request.url)) {
      metadata.set(request.url, next(request));
      metadata.get(request.url).catch(() => metadata.delete(request.url));
    }
    return { ...(await metadata.get(request.url)), request };
  },
};

function authenticationProvider(credential) {
  return new TokenCredentialAuthenticationProvider(credential, { scopes: [`${MICROSOFT_GRAPH_ENDPOINT}/.default`] });
}

function graphClient(options) {
  const customHosts = new Set([new URL(MICROSOFT_GRAPH_ENDPOINT).hostname]);
  return Client.initWithMiddleware({ baseUrl: `${MICROSOFT_GRAPH_ENDPOINT}/`, customHosts, ...options });
}

/** A credential and a client for each call, as the public samples have it. */
function newClient(tenantId, token) {
  return graphClient({ authProvider: authenticationProvider(onBehalfOf(tenantId, token)) });
}

const clients = new Map();

/** The user's credential and client, made once. The key is a hash, so that it is no secret. */
function keptClient(tenantId, token) {
  const key = hash('sha256', `${tenantId} ${token}`, 'base64');
  let client = clients.get(key);
  if (client === undefined) {
    client = graphClient({
      middleware: [
        new AuthenticationHandler(authenticationProvider(keepToken(onBehalfOf(tenantId, token)))),
        new RetryHandler(new RetryHandlerOptions()),
        new TelemetryHandler(),
        undiciHandler,
      ],
    });
    if (clients.size >= MAX_USERS) clients.delete(clients.keys().next().value);
    clients.set(key, client);
  }
  return client;
}

/** Asks the credential only when its token is about to expire, and once for all who wait, as Azure's clients do. */
function keepToken(credential) {
  let token;
  let renewAt = 0;
  return {
    getToken(scopes, options) {
      if (Date.now() >= renewAt) {
        renewAt = Infinity;
        token = credential.getToken(scopes, options);
        token.then(
          ({ refreshAfterTimestamp, expiresOnTimestamp }) => {
            renewAt = refreshAfterTimestamp ?? expiresOnTimestamp - 5 * 60_000;
          },
          () => {
            renewAt = 0;
          },
        );
      }
      return token;
    },
  };
}

const agent = new Agent({ keepAliveTimeout: 60_000 });

/** The last of the Graph client's middleware, in place of `fetch`, which costs more than all else in a warm call. */
const undiciHandler = {
  async execute(context) {
    const { method, headers, body } = context.options;
    const { origin, pathname, search } = new URL(context.request);
    const answer = await agent.request({ origin, path: pathname + search, method, headers, body });
    context.response = new Response(await answer.body.arrayBuffer(), {
      status: answer.statusCode,
      headers: answer.headers,
    });
  },
};

const clientFor = { 'per-call': newClient, 'per-user': keptClient }[CREDENTIALS];
if (clientFor === undefined) throw new Error(`CREDENTIALS is neither per-call nor per-user: ${CREDENTIALS}`);

/** What the MCP extension says of the tool call: JSON in a string, in a string, in the host's JSON. */
function toolCall(body) {
  return JSON.parse(JSON.parse(JSON.parse(body).Data.mcpTrigger));
}

/**
 * The caller's tenant and token. The token's signature is not verified, as in the public samples: App Service
 * Authentication has done so. The Rust handler does verify it.
 */
function caller({ transport }) {
  let token, principal;
  for (const [name, value] of Object.entries(transport.properties.headers)) {
    switch (name.toLowerCase()) {
      case 'authorization':
        token = /^Bearer +(.+)$/i.exec(value)?.[1];
        break;
      case 'x-ms-client-principal':
        principal = JSON.parse(Buffer.from(value, 'base64').toString());
    }
  }
  const tenantId = principal?.claims.find(({ typ }) => TENANT_CLAIMS.includes(typ))?.val;
  if (!token || !tenantId) throw new Error('nobody is signed in');
  return { tenantId, token };
}

async function greet(body) {
  const { tenantId, token } = caller(toolCall(body));
  const user = await clientFor(tenantId, token).api('/me').select('displayName,mail,userPrincipalName').get();
  const name = user.displayName ?? 'there';
  const email = user.mail ?? user.userPrincipalName ?? undefined;
  return {
    content: [{ type: 'text', text: email ? `Hello, ${name} (${email})!` : `Hello, ${name}!` }],
    structuredContent: { name, email },
    isError: false,
  };
}

function failure(error) {
  console.error(`tool call failed: ${error.name}: ${error.message}`);
  return { content: [{ type: 'text', text: 'The tool could not greet you. Try again later.' }], isError: true };
}

/** The result as the MCP extension reads it with `useResultSchema`. */
function answer(result) {
  const ReturnValue = JSON.stringify({ type: 'call_tool_result', content: JSON.stringify(result) });
  return JSON.stringify({ Outputs: {}, Logs: [], ReturnValue });
}

function read(request) {
  return new Promise((resolve, reject) => {
    const chunks = [];
    request.on('data', (chunk) => chunks.push(chunk));
    request.on('end', () => resolve(Buffer.concat(chunks).toString()));
    request.on('error', reject);
  });
}

const server = createServer(async (request, response) => {
  if (request.method !== 'POST') return response.end();
  if (request.url !== '/HelloTool') return response.writeHead(404).end();
  const body = answer(await read(request).then(greet).catch(failure));
  response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) }).end(body);
});
// The host keeps its connections for longer than Node.js would.
server.keepAliveTimeout = 120_000;
server.listen(FUNCTIONS_CUSTOMHANDLER_PORT, '127.0.0.1');
