// A custom handler with tools that the conformance suite calls, each of which answers in another of
// the forms that the Functions host takes.

import { createServer } from 'node:http';

const text = { type: 'text', text: 'Some text.' };
const image = {
  type: 'image',
  mimeType: 'image/png',
  data: 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg==',
};
const audio = {
  type: 'audio',
  mimeType: 'audio/wav',
  data: 'UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA=',
};
const resource = {
  type: 'resource',
  resource: { uri: 'test://resource', mimeType: 'text/plain', text: 'A resource.' },
};
const error = { content: [{ type: 'text', text: 'It went wrong, as it should.' }], isError: true };

const returnValues = {
  test_simple_text: text.text,
  test_image_content: envelope('image', image),
  test_audio_content: envelope('audio', audio),
  test_embedded_resource: envelope('resource', resource),
  test_multiple_content_types: envelope('multi_content_result', [text, image, resource]),
  test_error_handling: envelope('call_tool_result', error),
};

function envelope(type, content) {
  return JSON.stringify({ type, content: JSON.stringify(content) });
}

const server = createServer((request, response) => {
  request.resume();
  const ReturnValue = returnValues[request.url.slice(1)];
  response.setHeader('Content-Type', 'application/json');
  response.end(JSON.stringify({ Outputs: {}, Logs: [], ReturnValue }));
});
server.listen(process.env.FUNCTIONS_CUSTOMHANDLER_PORT, '127.0.0.1');
