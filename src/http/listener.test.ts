import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { connect, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { type Listener, openListener } from './listener.ts';

interface Rig {
  readonly server: Server;
  readonly listener: Listener;
  connect(): Socket;
}

/** A server that answers nothing. */
async function aRig(t: TestContext, acceptsPerTurn: number, port = 0): Promise<Rig> {
  const server = createServer(() => {});
  const onFault = (error: unknown): void => assert.fail(String(error));
  const options = { host: '127.0.0.1', port, backlog: 1_024, acceptsPerTurn, onFault };
  const listener = await openListener(server, options);
  t.after(() => {
    server.closeAllConnections();
    return listener.close();
  });
  return { server, listener, connect: () => connect(listener.port, '127.0.0.1') };
}

const MANY = 64;

/** The most connections that the server gets in one turn of the event loop when many connect at once. */
async function mostInOneTurn({ server, connect }: Rig): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let [all, inThisTurn, most] = [0, 0, 0];
  server.on('connection', () => {
    all += 1;
    inThisTurn += 1;
    if (inThisTurn === 1) {
      setImmediate(() => {
        most = Math.max(most, inThisTurn);
        inThisTurn = 0;
        if (all === MANY) resolve();
      });
    }
  });
  // The kernel completes connections of this machine at once.
  for (let count = 0; count < MANY; count += 1) connect();
  await promise;
  return most;
}

test('a port accepts several connections in one turn of the event loop on Linux, and elsewhere one', async (t) => {
  const most = await mostInOneTurn(await aRig(t, 16));
  assert.ok(process.platform === 'linux' ? most > 1 && most <= 16 : most === 1, `${most}`);
  assert.equal(await mostInOneTurn(await aRig(t, 1)), 1);
});

for (const acceptsPerTurn of [1, 16]) {
  const title = `a port that accepts ${acceptsPerTurn} in a turn`;

  test(`${title} is in use for others like it`, async (t) => {
    const { listener } = await aRig(t, acceptsPerTurn);
    for (const other of [1, 16]) await assert.rejects(aRig(t, other, listener.port), { code: 'EADDRINUSE' });
  });

  test(`${title} closes when the last connection closes`, async (t) => {
    const { server, listener, connect } = await aRig(t, acceptsPerTurn);
    const sockets: Socket[] = [];
    for (let count = 0; count < MANY; count += 1) {
      const accepted = once(server, 'connection');
      sockets.push(connect());
      await accepted;
    }
    let isClosed = false;
    const closed = listener.close().then(() => {
      isClosed = true;
    });
    await assert.rejects(once(connect(), 'connect'), { code: 'ECONNREFUSED' });
    for (const socket of sockets) {
      assert.ok(!isClosed);
      socket.destroy();
    }
    await closed;
  });
}
