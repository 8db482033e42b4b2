// A custom handler with the tools, resources and prompts that the conformance suite asks for. Each of them answers in
// another form that the Functions host accepts.

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
  test_simple_text: () => text.text,
  test_image_content: () => envelope('image', image),
  test_audio_content: () => envelope('audio', audio),
  test_embedded_resource: () => envelope('resource', resource),
  test_multiple_content_types: () => envelope('multi_content_result', [text, image, resource]),
  test_error_handling: () => envelope('call_tool_result', error),

  static_text: () => 'This is the content of the static text resource.',
  static_binary: () => contents({ uri: 'test://static-binary', mimeType: 'image/png', blob: image.data }),
  template_data: (call, { id }) => JSON.stringify({ id: JSON.parse(id), data: `Data for ${id}` }),

  test_simple_prompt: () => prompt(text),
  test_prompt_with_arguments: ({ arguments: { arg1, arg2 } }) =>
    prompt({ type: 'text', text: `Prompt with arguments: arg1='${arg1}', arg2='${arg2}'` }),
  test_prompt_with_embedded_resource: ({ arguments: { resourceUri } }) =>
    prompt({ type: 'resource', resource: { ...resource.resource, uri: resourceUri } }, text),
  test_prompt_with_image: () => prompt(image, text),
};

function prompt(...blocks) {
  const messages = blocks.map((content) => ({ role: 'user', content }));
  return envelope('prompt_messages', messages);
}

function contents(resource) {
  return JSON.stringify({ content: JSON.stringify(resource) });
}

function envelope(type, content) {
  return JSON.stringify({ type, content: JSON.stringify(content) });
}

const server = createServer(async (request, response) => {
  let body = '';
  for await (const chunk of request) body += chunk;
  const { Data, Metadata } = body ? JSON.parse(body) : {};
  // JSON in a string in a string.
  const call = Data && JSON.parse(JSON.parse(Data.mcpTrigger));
  const ReturnValue = returnValues[request.url.slice(1)]?.(call, Metadata);
  response.setHeader('Content-Type', 'application/json');
  response.end(JSON.stringify({ Outputs: {}, Logs: [], ReturnValue }));
});
server.listen(process.env.FUNCTIONS_CUSTOMHANDLER_PORT, '127.0.0.1');
