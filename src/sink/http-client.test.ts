import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { AnsweringServer, answering } from '../../test/support/answering-server.ts';
import { HttpClient, type HttpClientOptions, type HttpResult } from './http-client.ts';

const TOKEN = 'a-very-secret-token';
const NEVER = new AbortController().signal;
const POST = { method: 'POST', path: '/v2/events', body: '{"kind":"Event"}' } as const;

function aClient(t: TestContext, address: string, options: Partial<HttpClientOptions> = {}): HttpClient {
  const client = new HttpClient({
    address,
    token: () => TOKEN,
    ca: undefined,
    ignoreCertErrors: false,
    now: Date.now,
    ...options,
  });
  t.after(() => client.close());
  return client;
}

/** A bare TCP server with a handler for its connections; resolves to its address. */
async function aTcpServer(t: TestContext, onConnection: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    // Tests cut connections.
    socket.on('error', () => {});
    onConnection(socket);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Sends raw bytes for every request, and closes the connection. */
function aRawAnswer(t: TestContext, answer: string): Promise<string> {
  return aTcpServer(t, (socket) => socket.once('data', () => socket.end(answer)));
}

function detailOf(result: HttpResult): string {
  return result.kind === 'answered' ? assert.fail(`answered ${result.status}`) : result.detail;
}

function statusOf(result: HttpResult): number {
  return result.kind === 'answered' ? result.status : assert.fail(`${result.kind}: ${result.detail}`);
}

const folder = mkdtempSync(join(tmpdir(), 'http-client-'));
after(() => rmSync(folder, { recursive: true }));

function aPair(name: string, altName: string): { readonly cert: Buffer; readonly key: Buffer } {
  const [key, cert] = [join(folder, `${name}.key`), join(folder, `${name}.crt`)];
  const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '1'];
  const subject = ['-subj', `/CN=${name}`, '-addext', `subjectAltName=${altName}`];
  execFileSync('openssl', [...request, ...subject, '-keyout', key, '-out', cert], { stdio: 'pipe' });
  return { cert: readFileSync(cert), key: readFileSync(key) };
}

test('a request carries the token, and headers for JSON in both directions', async (t) => {
  const server = await AnsweringServer.start(t, answering(201, '{}', { 'x-one': 'two' }));
  const result = await aClient(t, server.address).send(POST, NEVER);
  assert.ok(result.kind === 'answered');
  assert.deepEqual([result.status, result.body, result.isCut], [201, '{}', false]);
  assert.equal(result.headers['x-one'], 'two');
  const [asked] = server.asked;
  assert.deepEqual([asked?.method, asked?.path, asked?.body], ['POST', '/v2/events', POST.body]);
  assert.equal(asked?.headers.authorization, `Bearer ${TOKEN}`);
  assert.equal(asked?.headers.accept, 'application/json');
  assert.equal(asked?.headers['content-type'], 'application/json');
  assert.equal(asked?.headers['content-length'], String(POST.body.length));
});

test('a request without a body has no headers about one', async (t) => {
  const server = await AnsweringServer.start(t, answering(200));
  await aClient(t, server.address).send({ method: 'GET', path: '/v2/whoami' }, NEVER);
  assert.equal(server.asked[0]?.headers['content-type'], undefined);
  assert.equal(server.asked[0]?.headers['content-length'], undefined);
});

test('the token is read again for every request', async (t) => {
  const server = await AnsweringServer.start(t, answering(200));
  const tokens = ['first', 'second'].values();
  const client = aClient(t, server.address, { token: () => tokens.next().value ?? '' });
  await client.send(POST, NEVER);
  await client.send(POST, NEVER);
  assert.deepEqual(
    server.asked.map(({ headers }) => headers.authorization),
    ['Bearer first', 'Bearer second'],
  );
});

for (const [given, expected] of [
  ['', '/v2/events'],
  ['/', '/v2/events'],
  ['/brigade', '/brigade/v2/events'],
  ['/brigade/', '/brigade/v2/events'],
  ['/a/b//?x=1', '/a/b/v2/events'],
] as const) {
  test(`requests to an address that ends in "${given}" go to ${expected}`, async (t) => {
    const server = await AnsweringServer.start(t, answering(200));
    await aClient(t, server.address + given).send(POST, NEVER);
    assert.equal(server.asked[0]?.path, expected);
  });
}

test('consecutive requests share a connection', async (t) => {
  const server = await AnsweringServer.start(t, answering(201, '{}'));
  const client = aClient(t, server.address);
  for (let count = 0; count < 10; count++) await client.send(POST, NEVER);
  assert.equal(server.asked.length, 10);
  // A request made in the very moment of an answer may open a second one.
  assert.ok(server.connections <= 2, `${server.connections} connections`);
});

test('an answer may take longer than an idle connection is kept, on a new connection and on a kept one', async (t) => {
  const server = await AnsweringServer.start(t, (response) => setTimeout(() => response.end('{}'), 4200));
  const client = aClient(t, server.address);
  assert.equal(statusOf(await client.send(POST, NEVER)), 200);
  assert.equal(statusOf(await client.send(POST, NEVER)), 200);
  assert.equal(server.connections, 1);
});

test('no request waits for the answer of another', async (t) => {
  const server = await AnsweringServer.start(t, (response) => {
    if (server.asked.length === 64) for (const waiting of responses) waiting.end('{}');
    else responses.push(response);
    if (server.asked.length === 64) response.end('{}');
  });
  const responses: { end(text: string): unknown }[] = [];
  const client = aClient(t, server.address);
  const results = await Promise.all(Array.from({ length: 64 }, () => client.send(POST, NEVER)));
  assert.deepEqual(new Set(results.map(statusOf)), new Set([200]));
});

test('a redirection is not followed', async (t) => {
  const server = await AnsweringServer.start(t, answering(301, '', { location: '/elsewhere' }));
  assert.equal(statusOf(await aClient(t, server.address).send(POST, NEVER)), 301);
  assert.equal(server.asked.length, 1);
});

for (const informational of ['100 Continue', '102 Processing', '103 Early Hints\r\nLink: </a>']) {
  test(`${informational.slice(0, 3)}, which the client did not ask for, is not the answer`, async (t) => {
    const answer = `HTTP/1.1 ${informational}\r\n\r\nHTTP/1.1 201 Created\r\n\r\n{}`;
    const result = await aClient(t, await aRawAnswer(t, answer)).send(POST, NEVER);
    assert.ok(result.kind === 'answered');
    assert.deepEqual([result.status, result.body], [201, '{}']);
  });
}

/**
 * Sends a request and, after its connection was idle for a moment, another. The server answers 200 to each request with a body, but
 * to the second headers on that connection it reacts as the test wants.
 */
async function secondRequest(
  t: TestContext,
  react: (socket: Socket) => void,
): Promise<{ readonly result: HttpResult; readonly bodies: number; readonly connections: number }> {
  let [bodies, connections, heads] = [0, 0, 0];
  const address = await aTcpServer(t, (socket) => {
    connections += 1;
    socket.on('data', (chunk) => {
      const text = chunk.toString();
      if (text.startsWith('POST')) heads += 1;
      if (text.startsWith('POST') && heads === 2) react(socket);
      if (!text.endsWith(POST.body)) return;
      bodies += 1;
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
    });
  });
  const client = aClient(t, address);
  assert.equal(statusOf(await client.send(POST, NEVER)), 200);
  await sleep(20);
  const result = await client.send(POST, NEVER);
  return { result, bodies, connections };
}

for (const [what, react] of [
  ['closed', (socket: Socket) => socket.end()],
  ['reset', (socket: Socket) => socket.resetAndDestroy()],
  ['answered 417', (socket: Socket) => socket.write('HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n')],
  ['answered 200', (socket: Socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')],
] as const) {
  test(`a request whose kept connection is ${what} before its body is sent goes over a new connection at once`, async (t) => {
    const { result, bodies, connections } = await secondRequest(t, react);
    assert.equal(statusOf(result), 200);
    assert.deepEqual([bodies, connections], [2, 2]);
  });
}

test('a rejection that comes before the body was sent is the answer, and its connection is not used again', async (t) => {
  const { result, bodies, connections } = await secondRequest(t, (socket) =>
    socket.write('HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n'),
  );
  assert.equal(statusOf(result), 401);
  assert.deepEqual([bodies, connections], [1, 1]);
});

for (const [what, react] of [
  ['at once to a server that asks for it', (socket: Socket) => socket.write('HTTP/1.1 100 Continue\r\n\r\n')],
  ['after a second to a server that never does', () => {}],
] as const) {
  test(`the body goes ${what}, over the kept connection`, async (t) => {
    const { result, bodies, connections } = await secondRequest(t, react);
    assert.equal(statusOf(result), 200);
    assert.deepEqual([bodies, connections], [2, 1]);
  });
}

test('a kept connection that ends after the body was sent leaves the request broken', async (t) => {
  const { result } = await secondRequest(t, (socket) => {
    socket.write('HTTP/1.1 100 Continue\r\n\r\n');
    socket.removeAllListeners('data').once('data', () => socket.end());
  });
  assert.equal(result.kind, 'broken');
});

test('a connection that is refused leaves the request unsent', async (t) => {
  const server = createServer();
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  const result = await aClient(t, `http://127.0.0.1:${port}`).send(POST, NEVER);
  assert.equal(result.kind, 'unsent');
  assert.match(detailOf(result), /ECONNREFUSED/);
});

test('a name that does not exist leaves the request unsent', async (t) => {
  const result = await aClient(t, 'http://brigade.invalid').send(POST, NEVER);
  assert.equal(result.kind, 'unsent');
  assert.match(detailOf(result), /ENOTFOUND|EAI_AGAIN/);
});

test('a certificate of an unknown authority leaves the request unsent', async (t) => {
  const server = await AnsweringServer.start(t, answering(201), aPair('unknown', 'IP:127.0.0.1'));
  const result = await aClient(t, server.address).send(POST, NEVER);
  assert.equal(result.kind, 'unsent');
  assert.match(detailOf(result), /SELF_SIGNED/);
  assert.equal(server.asked.length, 0);
});

test('a certificate of the given authority is accepted', async (t) => {
  const pair = aPair('known', 'IP:127.0.0.1');
  const server = await AnsweringServer.start(t, answering(201), pair);
  const client = aClient(t, server.address, { ca: pair.cert.toString() });
  assert.equal(statusOf(await client.send(POST, NEVER)), 201);
});

test('a certificate for another name is not accepted, even from the given authority', async (t) => {
  const pair = aPair('other', 'DNS:other.example');
  const server = await AnsweringServer.start(t, answering(201), pair);
  const result = await aClient(t, server.address, { ca: pair.cert.toString() }).send(POST, NEVER);
  assert.equal(result.kind, 'unsent');
  assert.match(detailOf(result), /ERR_TLS_CERT_ALTNAME_INVALID/);
});

test('with `ignoreCertErrors` any certificate is accepted', async (t) => {
  const server = await AnsweringServer.start(t, answering(201), aPair('any', 'DNS:other.example'));
  const client = aClient(t, server.address, { ignoreCertErrors: true });
  assert.equal(statusOf(await client.send(POST, NEVER)), 201);
});

test('a server that does not speak TLS leaves the request unsent', async (t) => {
  const server = await AnsweringServer.start(t, answering(201));
  const result = await aClient(t, server.address.replace('http:', 'https:')).send(POST, NEVER);
  assert.equal(result.kind, 'unsent');
});

test('a reset after the request leaves it broken', async (t) => {
  const address = await aTcpServer(t, (socket) => socket.once('data', () => socket.resetAndDestroy()));
  const result = await aClient(t, address).send(POST, NEVER);
  assert.equal(result.kind, 'broken');
  assert.match(detailOf(result), /ECONNRESET|UND_ERR_SOCKET/);
});

test('a connection closed without an answer leaves the request broken, and it is not sent again', async (t) => {
  let connections = 0;
  const address = await aTcpServer(t, (socket) => {
    connections += 1;
    socket.once('data', () => socket.end());
  });
  assert.equal((await aClient(t, address).send(POST, NEVER)).kind, 'broken');
  assert.equal(connections, 1);
});

test('a reset before the request was read is not an answer', async (t) => {
  const address = await aTcpServer(t, (socket) => socket.resetAndDestroy());
  assert.notEqual((await aClient(t, address).send(POST, NEVER)).kind, 'answered');
});

for (const [what, answer] of [
  ['ends before its length', 'HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\n{"kind":'],
  ['ends before its last chunk', 'HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"kin\r\n'],
  ['is not HTTP', 'SSH-2.0-OpenSSH_9.7\r\n'],
  ['has a status that is not a number', 'HTTP/1.1 abc Created\r\n\r\n'],
  ['changes the protocol', 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n'],
] as const) {
  test(`an answer that ${what} leaves the request broken`, async (t) => {
    const result = await aClient(t, await aRawAnswer(t, answer)).send(POST, NEVER);
    assert.equal(result.kind, 'broken');
  });
}

test('an answer of more than 4 MiB is cut, and has its status', async (t) => {
  const server = await AnsweringServer.start(t, (response) => {
    response.writeHead(201);
    const more = (): void => {
      while (!response.destroyed && response.write('x'.repeat(64 * 1024))) {
        // Until the client stops reading.
      }
      response.once('drain', more);
    };
    more();
  });
  const result = await aClient(t, server.address).send(POST, NEVER);
  assert.ok(result.kind === 'answered');
  assert.equal(result.status, 201);
  assert.equal(result.isCut, true);
  assert.ok(result.body.length <= 4 * 1024 * 1024);
});

test('a request that is aborted under way ends at once, and is broken', async (t) => {
  const server = await AnsweringServer.start(t, () => {});
  const giveUp = new AbortController();
  const result = aClient(t, server.address).send(POST, giveUp.signal);
  await server.untilAsked(1);
  giveUp.abort();
  assert.deepEqual(await result, { kind: 'broken', detail: 'given up: shutting down' });
});

test('a request that is aborted within its answer is broken', async (t) => {
  const server = await AnsweringServer.start(t, (response) => {
    response.writeHead(201).write('{');
    giveUp.abort();
  });
  const giveUp = new AbortController();
  assert.equal((await aClient(t, server.address).send(POST, giveUp.signal)).kind, 'broken');
});

test('a request that was aborted before it began is not sent', async (t) => {
  const server = await AnsweringServer.start(t, answering(201));
  const client = aClient(t, server.address);
  const result = await client.send(POST, AbortSignal.abort());
  assert.equal(result.kind, 'unsent');
  await client.send({ ...POST, body: 'later' }, NEVER);
  assert.deepEqual(
    server.asked.map(({ body }) => body),
    ['later'],
  );
});

test('a request that was aborted while it waited for a connection is not sent', async (t) => {
  const server = await AnsweringServer.start(t, answering(201));
  const giveUp = new AbortController();
  const client = aClient(t, server.address);
  const result = client.send(POST, giveUp.signal);
  giveUp.abort();
  assert.equal((await result).kind, 'unsent');
  await client.send({ ...POST, body: 'later' }, NEVER);
  assert.deepEqual(
    server.asked.map(({ body }) => body),
    ['later'],
  );
});

test('a token that is not a legal header value leaves the request unsent, and is not repeated', async (t) => {
  const server = await AnsweringServer.start(t, answering(201));
  const result = await aClient(t, server.address, { token: () => `${TOKEN}\nx` }).send(POST, NEVER);
  assert.equal(result.kind, 'unsent');
  assert.doesNotMatch(detailOf(result), new RegExp(TOKEN));
});

test('a token that the answer repeats is redacted', async (t) => {
  const server = await AnsweringServer.start(t, (response, { headers }) => response.end(JSON.stringify(headers)));
  const result = await aClient(t, server.address).send(POST, NEVER);
  assert.ok(result.kind === 'answered');
  assert.equal(JSON.parse(result.body).authorization, 'Bearer [redacted]');
});

test('a closed client cuts requests under way and sends no more', async (t) => {
  const server = await AnsweringServer.start(t, () => {});
  const client = aClient(t, server.address);
  const result = client.send(POST, NEVER);
  await server.untilAsked(1);
  await client.close();
  assert.equal((await result).kind, 'broken');
  assert.equal((await client.send(POST, NEVER)).kind, 'unsent');
});

test('after a change of the authority, new requests trust the new one and those under way still end', async (t) => {
  const pair = aPair('replaced', 'IP:127.0.0.1');
  const server = await AnsweringServer.start(
    t,
    (response) => {
      if (server.asked.length === 1) client.trust('');
      response.writeHead(201).end('{}');
    },
    pair,
  );
  const client = aClient(t, server.address, { ca: pair.cert.toString() });
  assert.equal(statusOf(await client.send(POST, NEVER)), 201);
  assert.equal((await client.send(POST, NEVER)).kind, 'unsent');
  client.trust(pair.cert.toString());
  assert.equal(statusOf(await client.send(POST, NEVER)), 201);
});

test('a connection that the server closed is not used again', async (t) => {
  const server = await AnsweringServer.start(t, answering(201, '{}', { connection: 'close' }));
  const client = aClient(t, server.address);
  assert.equal(statusOf(await client.send(POST, NEVER)), 201);
  assert.equal(statusOf(await client.send(POST, NEVER)), 201);
  assert.equal(server.connections, 2);
});

test('a detail is one line of at most 500 characters', async (t) => {
  const server = await AnsweringServer.start(t, answering(201), aPair('long', `DNS:${'a.'.repeat(200)}example`));
  const { cert } = aPair('long2', 'DNS:x');
  const result = await aClient(t, server.address, { ca: cert.toString() }).send(POST, NEVER);
  assert.ok(detailOf(result).length <= 500);
  assert.doesNotMatch(detailOf(result), /\n/);
});
