import { once } from 'node:events';
import { createServer, request } from 'node:http';

/**
 * Starts a proxy for a client that cannot authenticate itself: it adds headers to each request, and passes everything
 * else on unchanged, streams included.
 *
 * @param {string} url of the MCP server
 * @param {Record<string, string>} credentials the headers to add
 * @returns {Promise<{ url: string, close: () => void }>} the URL for the client
 */
export async function startProxy(url, credentials) {
  const server = new URL(url);
  const proxy = createServer((incoming, response) => {
    const { method, url: path } = incoming;
    // The proxy's own name becomes the server's; any other name is passed on for the server to judge.
    const host = incoming.headers.host === address.host ? server.host : incoming.headers.host;
    const headers = { ...incoming.headers, ...credentials, host };
    const outgoing = request({ hostname: server.hostname, port: server.port, method, path, headers });
    outgoing.on('response', (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    outgoing.on('error', (error) => response.destroy(error));
    response.on('close', () => outgoing.destroy());
    incoming.pipe(outgoing);
  });
  proxy.listen(0, server.hostname);
  await once(proxy, 'listening');

  const address = new URL(url);
  address.port = proxy.address().port;
  return {
    url: address.href,
    close() {
      proxy.close();
      proxy.closeAllConnections();
    },
  };
}
