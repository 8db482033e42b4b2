import { once } from 'node:events';
import { createServer } from 'node:http';

/**
 * Listens on loopback for the redirect at the end of a sign-in.
 *
 * @returns {Promise<{ url: string, parameters: Promise<URLSearchParams>, close: () => void }>}
 *   the redirect URI, and the parameters of the redirect
 */
export async function startCallback() {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${server.address().port}/callback`;
  const parameters = once(server, 'request').then(([request, response]) => {
    response.end('You can close this page.');
    return new URL(request.url, url).searchParams;
  });
  return {
    url,
    parameters,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** A free port. */
export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}
