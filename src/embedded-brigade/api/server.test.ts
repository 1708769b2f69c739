import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import type { Answer } from './answer.ts';
import { type ApiServer, type Respond, serveApi } from './server.ts';

const HEADERS = { 'content-type': 'text/event-stream' };

async function serve(t: TestContext, respond: Respond, host = '127.0.0.1'): Promise<ApiServer> {
  const server = await serveApi({ host, port: 0 }, respond, (fault) => assert.fail(String(fault)));
  t.after(() => server.close());
  return server;
}

function get(address: string, host = new URL(address).host): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request(address, { headers: { host } }, resolve).on('error', reject).end();
  });
}

/** Goes on until nobody reads. */
async function* endless(signal: AbortSignal): AsyncGenerator<string> {
  yield 'first';
  if (!signal.aborted) await once(signal, 'abort');
}

test('a body that grows is sent as it grows', async (t) => {
  const steps = [Promise.withResolvers<string>(), Promise.withResolvers<string>()];
  async function* body(): AsyncGenerator<string> {
    for (const { promise } of steps) yield await promise;
  }
  const { address } = await serve(t, async () => ({ status: 200, headers: HEADERS, body: body() }));
  const response = await get(address);
  assert.equal(response.statusCode, 200, 'the head is there before the body');
  steps[0]?.resolve('one');
  const [part] = await once(response, 'data');
  assert.equal(String(part), 'one');
  steps[1]?.resolve('two');
  assert.equal(await text(response), 'two');
});

test('whoever answers learns that the client went away', async (t) => {
  const gone = Promise.withResolvers<void>();
  const { address } = await serve(t, async (_, signal): Promise<Answer> => {
    signal.addEventListener('abort', () => gone.resolve());
    return { status: 200, headers: HEADERS, body: endless(signal) };
  });
  const response = await get(address);
  await once(response, 'data');
  response.destroy();
  await gone.promise;
});

test('a body without end does not hold up the closing of the server', async (t) => {
  const { address, close } = await serve(t, async (_, signal) => ({
    status: 200,
    headers: HEADERS,
    body: endless(signal),
  }));
  const response = await get(address);
  const closed = close();
  assert.equal(await text(response), 'first');
  await closed;
});

const OK: Respond = async () => ({ status: 200, headers: {}, body: 'ok' });

test('who listens on an address goes by its name, and by those of this machine', async (t) => {
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

test('who listens on all addresses goes by any name', async (t) => {
  const { address } = await serve(t, OK, '0.0.0.0');
  const response = await get(address.replace('0.0.0.0', '127.0.0.1'), 'brigade.example');
  assert.equal(await text(response), 'ok');
});

test('an IPv6 address stands in brackets', async (t) => {
  const { address } = await serve(t, OK, '::1');
  assert.match(address, /^http:\/\/\[::1\]:\d+$/);
  assert.equal(await text(await get(address)), 'ok');
});
