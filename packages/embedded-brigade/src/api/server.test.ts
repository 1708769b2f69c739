import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { type ApiServer, type Respond, serveApi } from './server.ts';

const HEADERS = { 'content-type': 'text/event-stream' };

async function serve(t: TestContext, respond: Respond, host = '127.0.0.1'): Promise<ApiServer> {
  const server = await serveApi({ host, port: 0 }, respond);
  t.after(() => server.close());
  return server;
}

function get(address: string, host = new URL(address).host): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request(address, { headers: { host } }, resolve).on('error', reject).end();
  });
}

/** Grows until the signal is aborted. */
async function* endless(signal: AbortSignal): AsyncGenerator<string> {
  yield 'first';
  if (!signal.aborted) await once(signal, 'abort');
}

function streamed(parts: AsyncIterable<string>): Response {
  return new Response(ReadableStream.from(parts).pipeThrough(new TextEncoderStream()), { headers: HEADERS });
}

test('a body that grows is sent as it grows', async (t) => {
  const steps = [Promise.withResolvers<string>(), Promise.withResolvers<string>()];
  async function* body(): AsyncGenerator<string> {
    for (const { promise } of steps) yield await promise;
  }
  const { address } = await serve(t, () => streamed(body()));
  const response = await get(address);
  assert.equal(response.statusCode, 200, 'the head is there before the body');
  steps[0]?.resolve('one');
  const [part] = await once(response, 'data');
  assert.equal(String(part), 'one');
  steps[1]?.resolve('two');
  assert.equal(await text(response), 'two');
});

test('the signal of a request is aborted when the client goes away', async (t) => {
  const gone = Promise.withResolvers<void>();
  const { address } = await serve(t, ({ signal }) => {
    signal.addEventListener('abort', () => gone.resolve());
    return streamed(endless(signal));
  });
  const response = await get(address);
  await once(response, 'data');
  response.destroy();
  await gone.promise;
});

test('a body without end does not delay the closing of the server', async (t) => {
  const { address, close } = await serve(t, (_, { closing }) => streamed(endless(closing)));
  const response = await get(address);
  const closed = close();
  assert.equal(await text(response), 'first');
  await closed;
});

const OK: Respond = () => new Response('ok');

test('a server on one address answers under its name, and under those of this machine', async (t) => {
  const { address } = await serve(t, OK, '127.0.0.2');
  const { port } = new URL(address);
  assert.equal(address, `http://127.0.0.2:${port}`);
  for (const [host, status] of [
    [`127.0.0.2:${port}`, 200],
    [`localhost:${port}`, 200],
    [`127.0.0.3:${port}`, 421],
  ] as const) {
    const response = await get(address, host);
    response.resume();
    assert.equal(response.statusCode, status, host);
  }
});

test('a server on all addresses answers under any name', async (t) => {
  const { address } = await serve(t, OK, '0.0.0.0');
  const response = await get(address.replace('0.0.0.0', '127.0.0.1'), 'brigade.example');
  assert.equal(await text(response), 'ok');
});

test('an IPv6 address stands in brackets', async (t) => {
  const { address } = await serve(t, OK, '::1');
  assert.match(address, /^http:\/\/\[::1\]:\d+$/);
  assert.equal(await text(await get(address)), 'ok');
});
