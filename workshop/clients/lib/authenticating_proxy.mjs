import { once } from 'node:events';
import { createServer, request } from 'node:http';

/**
 * Stands before an MCP server for a client that cannot authenticate itself: adds headers to each
 * request and passes everything else through as it comes, streams too.
 *
 * @param {string} url of the MCP server
 * @param {Record<string, string>} credentials the headers to add
 * @returns {Promise<{ url: string, close: () => void }>} the URL for the client
 */
export async function startProxy(url, credentials) {
  const server = new URL(url);
  const proxy = createServer((incoming, response) => {
    const { method, url: path } = incoming;
    // Who asks for the proxy means the server; of any other name the server must think for itself.
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
