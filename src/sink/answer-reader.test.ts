import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Answer, AnswerReader, type Read } from './answer-reader.ts';

const LIMIT = 1000;

/** What is read of bytes that arrive in these parts, before the connection ends. */
function readParts(parts: readonly Uint8Array[], limit = LIMIT): Read | undefined {
  const reader = new AnswerReader(limit);
  for (const part of parts) {
    // The reader must not keep bytes that are overwritten later.
    const bytes = Buffer.from(part);
    let read = reader.read(bytes);
    while (read?.kind === 'continue') read = reader.read();
    bytes.fill(0);
    if (read !== undefined) return read;
  }
  return reader.end();
}

function readText(answer: string): Read | undefined {
  return readParts([Buffer.from(answer, 'latin1')]);
}

function answerIn(answer: string): Answer {
  const read = readText(answer);
  return read?.kind === 'answer' ? read : assert.fail(`${read?.kind}`);
}

const CHUNKED = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n';

test('an answer has its status, headers and body', () => {
  const { status, headers, body, isCut } = answerIn(
    'HTTP/1.1 201 Created\r\nX-One: two \r\nx-one:three\r\nContent-Length: 2\r\n\r\n{}',
  );
  assert.deepEqual([status, headers['x-one'], body, isCut], [201, 'two, three', '{}', false]);
});

for (const [what, answer, body] of [
  ['a length', 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc', 'abc'],
  ['no length', 'HTTP/1.1 200 OK\r\n\r\nabc', 'abc'],
  ['no reason', 'HTTP/1.1 200\r\n\r\nabc', 'abc'],
  ['chunks', `${CHUNKED}2\r\nab\r\n1;x="y"\r\nc\r\n0\r\nTrailer: t\r\n\r\n`, 'abc'],
  ['no chunks', `${CHUNKED}0\r\n\r\n`, ''],
  ['a length and status 204', 'HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\n', ''],
  ['a length and status 304', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n', ''],
  ['hints before it', 'HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na', 'a'],
] as const) {
  test(`the body of an answer with ${what} is read`, () => {
    assert.equal(answerIn(answer).body, body);
  });
}

for (const [what, answer] of [
  ['no status', 'HTTP/1.1 OK\r\n\r\n'],
  ['a status of two digits', 'HTTP/1.1 20 OK\r\n\r\n'],
  ['another version', 'HTTP/2.0 200 OK\r\n\r\n'],
  ['a change of the protocol', 'HTTP/1.1 101 Switching Protocols\r\n\r\n'],
  ['bare line feeds', 'HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n'],
  ['a folded header', 'HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n'],
  ['a blank before the colon', 'HTTP/1.1 200 OK\r\nX : a\r\n\r\n'],
  ['a header without a name', 'HTTP/1.1 200 OK\r\n: a\r\n\r\n'],
  ['a header with a control character', 'HTTP/1.1 200 OK\r\nX: a\0\r\n\r\n'],
  ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na'],
  ['a length that is not a number', 'HTTP/1.1 200 OK\r\nContent-Length: 0x1\r\n\r\na'],
  ['a negative length', 'HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\na'],
  ['a length and chunks', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
  ['another coding', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n'],
  ['a chunk without a length', `${CHUNKED}\r\n`],
  ['a chunk whose length is too long', `${CHUNKED}123456789\r\n`],
  ['a chunk that is longer than its length', `${CHUNKED}1\r\nabc\r\n`],
  ['a trailer that is not a header', `${CHUNKED}0\r\nx\r\n\r\n`],
  ['headers that are too long', `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(20_000)}`],
  ['an extension that is too long', `${CHUNKED}1;${'x'.repeat(2000)}`],
  ['trailers that are too long', `${CHUNKED}0\r\n${'x: y\r\n'.repeat(9000)}`],
] as const) {
  test(`an answer with ${what} is malformed`, () => {
    assert.equal(readText(answer)?.kind, 'malformed');
  });
}

for (const [what, answer] of [
  ['within its headers', 'HTTP/1.1 200 OK\r\nX: a\r\n'],
  ['before its length', 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc'],
  ['before its last chunk', `${CHUNKED}1\r\na\r\n`],
  ['within its trailers', `${CHUNKED}0\r\nx: y\r\n`],
] as const) {
  test(`an answer that ends ${what} is not complete`, () => {
    assert.equal(readText(answer), undefined);
  });
}

test('a body is cut at its limit, however it is framed', () => {
  for (const [head, tail] of [
    ['HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n', ''],
    ['HTTP/1.1 200 OK\r\n\r\n', ''],
    [`${CHUNKED}3e9\r\n`, ''],
  ] as const) {
    const { body, isCut } = answerIn(`${head}${'x'.repeat(LIMIT + 1)}${tail}`);
    assert.deepEqual([body.length, isCut], [LIMIT, true]);
  }
  const { isCut } = answerIn(`HTTP/1.1 200 OK\r\nContent-Length: ${LIMIT}\r\n\r\n${'x'.repeat(LIMIT)}`);
  assert.equal(isCut, false);
});

for (const [version, headers, expected] of [
  ['1.1', '', Number.POSITIVE_INFINITY],
  ['1.1', 'Connection: close\r\n', 0],
  ['1.1', 'Connection: x, Close\r\n', 0],
  ['1.1', 'Connection: keep-alive\r\nKeep-Alive: timeout=5, max=100\r\n', 5000],
  ['1.0', '', 0],
  ['1.0', 'Connection: Keep-Alive\r\n', Number.POSITIVE_INFINITY],
] as const) {
  test(`HTTP/${version} with ${JSON.stringify(headers)} keeps the connection for ${expected} ms`, () => {
    assert.equal(answerIn(`HTTP/${version} 200 OK\r\n${headers}Content-Length: 0\r\n\r\n`).keptMs, expected);
  });
}

test('what follows an answer is seen', () => {
  const reader = new AnswerReader(LIMIT);
  reader.read(Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na'));
  assert.equal(reader.isBetweenAnswers, true);
  reader.read(Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab'));
  assert.equal(reader.isBetweenAnswers, false);
});

/** A body in one of the framings. */
const anyAnswer = fc
  .record({ chunks: fc.array(fc.uint8Array({ maxLength: 40 })), framing: fc.integer({ min: 0, max: 2 }) })
  .map(({ chunks, framing }) => {
    const body = Buffer.concat(chunks);
    if (framing === 0)
      return Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n`), body]);
    if (framing === 1) return Buffer.concat([Buffer.from('HTTP/1.1 200 OK\r\n\r\n'), body]);
    const framed = chunks
      .filter((chunk) => chunk.length > 0)
      .flatMap((chunk) => [Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from('\r\n')]);
    return Buffer.concat([Buffer.from(CHUNKED), ...framed, Buffer.from('0\r\n\r\n')]);
  });

test('an answer is the same in whatever parts it arrives', () => {
  fc.assert(
    fc.property(anyAnswer, fc.array(fc.nat()), fc.integer({ min: 1, max: 2000 }), (bytes, cuts, limit) => {
      const places = [0, ...cuts.map((cut) => cut % bytes.length).sort((a, b) => a - b), bytes.length];
      const parts = places.slice(1).map((end, index) => bytes.subarray(places[index], end));
      const [whole, inParts] = [readParts([bytes], limit), readParts(parts, limit)];
      assert.deepEqual(inParts, whole);
    }),
  );
});

/** What Node's own client reads: status and body. */
async function readByNode(bytes: Buffer): Promise<readonly [number | undefined, string] | undefined> {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.end(bytes);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  try {
    const asked = request({ port: (server.address() as AddressInfo).port, agent: false }).end();
    const [response]: IncomingMessage[] = await once(asked, 'response');
    return response === undefined ? undefined : [response.statusCode, await text(response)];
  } catch {
    return undefined;
  } finally {
    server.close();
  }
}

test('where bytes of an answer are changed, nothing is read that Node does not read likewise', async () => {
  const changes = fc.array(fc.tuple(fc.nat(), fc.constantFrom(...Buffer.from('\r\n :;,\x00019afx'))), { maxLength: 3 });
  await fc.assert(
    fc.asyncProperty(anyAnswer, changes, async (bytes, all) => {
      const changed = Buffer.from(bytes);
      for (const [place, value] of all) changed[place % changed.length] = value;
      const own = readParts([changed], Number.POSITIVE_INFINITY);
      if (own?.kind === 'answer') assert.deepEqual([own.status, own.body], await readByNode(changed));
    }),
    { numRuns: 300 },
  );
});
