import assert from 'node:assert/strict';
import { test } from 'node:test';
import { aServer, head, Peer } from '../../test/support/ingest-test-server.ts';
import { LIMITS } from './limits.ts';

const { maxSmallParts, minPartBytes } = LIMITS;

/** A body in that many chunks of that size, and its end. */
function chunks(count: number, bytes: number): string {
  return `${`${bytes.toString(16)}\r\n${'a'.repeat(bytes)}\r\n`.repeat(count)}0\r\n\r\n`;
}

const CHUNKED = head('Transfer-Encoding: chunked', 'Connection: close');

test('a body may arrive in 256 chunks of one byte', async (t) => {
  const server = await aServer(t);
  const answer = await new Peer(server).send(CHUNKED + chunks(maxSmallParts.value, 1)).readAll();
  assert.match(answer, /^HTTP\/1\.1 200 /);
});

test('a body in one more of them closes the connection without an answer', async (t) => {
  const server = await aServer(t);
  const answer = await new Peer(server).send(CHUNKED + chunks(2 * maxSmallParts.value, 1)).readAll();
  assert.equal(answer, '');
});

test('a body may arrive in thousands of chunks that are larger than 32 bytes', async (t) => {
  const server = await aServer(t);
  const answer = await new Peer(server).send(CHUNKED + chunks(10_000, minPartBytes.value + 8)).readAll();
  assert.match(answer, /^HTTP\/1\.1 200 /);
});

test('a body without credentials in many small chunks closes the connection', async (t) => {
  const server = await aServer(t);
  const anonymous = 'POST /events HTTP/1.1\r\nHost: gateway\r\nTransfer-Encoding: chunked\r\n\r\n';
  const peer = new Peer(server).send(anonymous + chunks(10_000, 1));
  await peer.readAll();
  assert.ok(peer.socket.bytesWritten > 0);
});

test('the rest of what has arrived is not read when a connection is destroyed', async (t) => {
  let received = 0;
  const server = await aServer(t, {
    receive: async ({ readBody }) => {
      received += 1;
      await readBody('tester');
      return { answer: { kind: 'unauthenticated' } };
    },
  });
  const small = `${CHUNKED}${chunks(2 * maxSmallParts.value, 1)}`;
  await new Peer(server).send(small.repeat(8)).readAll();
  assert.equal(received, 1);
});
