import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdir, readFile, rename, symlink, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { connect } from 'node:tls';
import { anInstallation, serve, WEBHOOK_TOKEN } from '../support/serve-process.ts';
import { CREATED, StubBrigade } from '../support/stub-brigade.ts';
import { adminGet, aPush, eventOf, exchange, metricOf, names, push, send } from '../support/webhooks.ts';

const FIXTURES = new URL('../../src/config/fixtures/', import.meta.url).pathname;

suite('the end of a gateway', { concurrency: 4 }, () => {
  test('after SIGTERM the gateway accepts webhooks for SHUTDOWN_DELAY, ends its attempts, and loses and repeats nothing', async (t) => {
    const brigade = await StubBrigade.start(t);
    const installation = await anInstallation(t, brigade.address, { SHUTDOWN_DELAY: '2s' });
    const first = await serve(t, installation);
    const { promise: later, resolve: answer } = Promise.withResolvers<void>();
    brigade.onEvent = () => ({ ...CREATED, after: later });
    await push(first, 'under-way');
    await brigade.until((stub) => stub.ids.includes('under-way'));
    first.process.signal('SIGTERM');
    await first.process.line('gateway.stopping');
    const { status, headers } = await send(first, aPush('late'), { connection: 'keep-alive' });
    assert.equal(status, 200);
    assert.equal(headers['connection'], 'close');
    assert.equal((await adminGet(first, '/readyz')).status, 503);
    answer();
    assert.equal(await first.process.ended, 0);
    await first.process.line('gateway.stopped');
    const second = await serve(t, installation);
    await push(second, 'next');
    await brigade.untilTaken('under-way', 'late', 'next');
    assert.deepEqual([...brigade.ids].sort(), ['late', 'next', 'under-way']);
  });

  test('events that are not delivered at the end wait for the next start', async (t) => {
    const brigade = await StubBrigade.start(t);
    const installation = await anInstallation(t, brigade.address);
    await brigade.goDown();
    const first = await serve(t, installation);
    const ids = names('waiting', 10);
    await Promise.all(ids.map((id) => push(first, id)));
    first.process.signal('SIGTERM');
    assert.equal(await first.process.ended, 0);
    await brigade.comeBack();
    await serve(t, installation);
    await brigade.untilTaken(...ids);
    assert.deepEqual([...brigade.ids].sort(), ids);
  });

  test('a second signal ends the delay, and an attempt that is cut off counts as uncertain', async (t) => {
    const brigade = await StubBrigade.start(t);
    const installation = await anInstallation(t, brigade.address, { SHUTDOWN_DELAY: '10m' });
    const first = await serve(t, installation);
    brigade.onEvent = () => ({ kind: 'hang' });
    const seq = await push(first, 'cut-off');
    await brigade.until((stub) => stub.ids.includes('cut-off'));
    first.process.signal('SIGTERM');
    await first.process.line('gateway.stopping');
    first.process.signal('SIGINT');
    assert.equal(await first.process.ended, 0);
    assert.equal(first.process.linesOf('gateway.hurried').length, 1);
    const { state, attempts } = await eventOf(await serve(t, installation), seq);
    assert.equal(state, 'pending');
    assert.deepEqual([attempts.length, attempts[0]?.outcome.kind], [1, 'uncertain']);
  });
});

/** A folder as Kubernetes mounts a secret: the file links into `..data`, which links to the version. */
async function mountSecret(folder: string): Promise<{ readonly path: string; swap(content: string): Promise<void> }> {
  let version = 0;
  const swap = async (content: string) => {
    version += 1;
    await mkdir(join(folder, `..v${version}`), { recursive: true });
    await writeFile(join(folder, `..v${version}`, 'tokens.json'), content);
    await symlink(`..v${version}`, join(folder, '..data_tmp'));
    await rename(join(folder, '..data_tmp'), join(folder, '..data'));
  };
  const path = join(folder, 'tokens.json');
  await mkdir(folder);
  await symlink(join('..data', 'tokens.json'), path);
  return { path, swap };
}

suite('a change while the gateway runs', { concurrency: 4 }, () => {
  test('tokens are rotated in a mounted Kubernetes secret without a failed webhook', async (t) => {
    const brigade = await StubBrigade.start(t);
    const { env, ...others } = await anInstallation(t, brigade.address);
    const secret = await mountSecret(join(others.folder, 'mounted'));
    await secret.swap('{"old": "old-token"}');
    const gateway = await serve(t, { ...others, env: { ...env, TOKENS_PATH: secret.path } });
    let token = 'old-token';
    let isOver = false;
    const statuses: number[] = [];
    const sendOn = async () => {
      while (!isOver) {
        const headers = { authorization: `Bearer ${token}` };
        statuses.push((await send(gateway, aPush(`rotation-${statuses.length}`), headers)).status);
      }
    };
    const sending = sendOn();
    await secret.swap('{"old": "old-token", "new": "new-token"}');
    await gateway.process.line('file.reloaded');
    token = 'new-token';
    await secret.swap('{"new": "new-token"}');
    const { log } = gateway.process;
    await gateway.process.line('file.reloaded', (line) => log.filter(({ msg }) => msg === line.msg).length === 2);
    isOver = true;
    await sending;
    assert.deepEqual([...new Set(statuses)], [200]);
    const revoked = await send(gateway, aPush('revoked'), { authorization: 'Bearer old-token' });
    assert.equal(revoked.status, 403);
    await brigade.untilTaken(...statuses.map((_, number) => `rotation-${number}`));
  });

  test('an unreadable new tokens file keeps the old tokens and is logged once, as an error', async (t) => {
    const brigade = await StubBrigade.start(t);
    const installation = await anInstallation(t, brigade.address);
    const gateway = await serve(t, installation);
    await writeFile(installation.tokensPath, '{"ci": ');
    const { level, file } = await gateway.process.line('file.rejected');
    assert.deepEqual([level, file], ['error', 'tokens']);
    await push(gateway, 'still-known');
    await writeFile(installation.tokensPath, '{}');
    const revoked = await gateway.process.line('tokens.empty');
    assert.equal(revoked.level, 'error');
    assert.equal((await send(gateway, aPush('revoked'))).status, 403);
    assert.equal(gateway.process.linesOf('file.rejected').length, 1);
  });

  test('a bound caller gets a 403 for another registry, with one log line for each webhook', async (t) => {
    const brigade = await StubBrigade.start(t);
    const installation = await anInstallation(t, brigade.address, { TRUSTED_PROXIES: '127.0.0.1' });
    const bound = { token: WEBHOOK_TOKEN, registry: 'example.azurecr.io', repositories: ['team/*'], actions: ['push'] };
    await writeFile(installation.tokensPath, JSON.stringify({ ci: bound }));
    const gateway = await serve(t, installation);
    const foreign = aPush('foreign', { repository: 'team/app' }).replaceAll('example.azurecr.io', 'other.azurecr.io');
    const { status, text } = await send(gateway, foreign, { 'x-forwarded-for': '203.0.113.7' });
    assert.deepEqual([status, text], [403, '']);
    assert.equal((await send(gateway, aPush('elsewhere', { repository: 'other/app' }))).status, 403);
    assert.equal((await send(gateway, aPush('allowed', { repository: 'team/app' }))).status, 200);
    await brigade.untilTaken('allowed');
    await gateway.process.line('webhook.received');
    assert.deepEqual(brigade.ids, ['allowed']);
    const audit = gateway.process.linesOf('webhook.rejected');
    assert.deepEqual(
      audit.map(({ level, reason, caller, clientAddress }) => [level, reason, caller, clientAddress]),
      [
        ['warn', 'out-of-scope', 'ci', '203.0.113.7'],
        ['warn', 'out-of-scope', 'ci', undefined],
      ],
    );
  });

  test('a dead letter without a registry can be redelivered once its caller is bound to one', async (t) => {
    const brigade = await StubBrigade.start(t);
    const installation = await anInstallation(t, brigade.address, {});
    const gateway = await serve(t, installation);
    const { text } = await send(gateway, '{"id":"homeless","action":"push","target":{"repository":"app"}}');
    const [{ result, seq }] = JSON.parse(text).events;
    assert.equal(result, 'dead-lettered');
    const redeliver = async () => {
      const headers = { authorization: `Bearer ${installation.env['ADMIN_TOKEN']}` };
      const answer = await exchange(gateway.adminPort, {
        path: '/api/redeliveries',
        headers,
        body: JSON.stringify({ seqs: [seq] }),
      });
      return JSON.parse(answer.text).redeliveries[0].kind;
    };
    assert.equal(await redeliver(), 'undeliverable');
    const bound = { token: WEBHOOK_TOKEN, registry: 'example.azurecr.io' };
    await writeFile(installation.tokensPath, JSON.stringify({ ci: bound }));
    await gateway.process.line('file.reloaded');
    assert.equal(await redeliver(), 'redelivered');
    await brigade.untilTaken('homeless');
    assert.deepEqual(brigade.arrivals[0]?.event.qualifiers, { registry: 'example.azurecr.io' });
  });

  test('a new TLS certificate is served without a restart, and a bad one is not', async (t) => {
    const brigade = await StubBrigade.start(t);
    const installation = await anInstallation(t, brigade.address);
    const [cert, key] = [join(installation.folder, 'tls.crt'), join(installation.folder, 'tls.key')];
    const install = async (certName: string, keyName: string) => {
      await writeFile(cert, await readFile(join(FIXTURES, `${certName}.crt`)));
      await writeFile(key, await readFile(join(FIXTURES, `${keyName}.key`)));
    };
    await install('one', 'one');
    const tls = { TLS_ENABLED: 'true', TLS_CERT_PATH: cert, TLS_KEY_PATH: key };
    const gateway = await serve(t, installation, tls);
    assert.equal(await servedName(gateway.ingestPort), 'one.example');
    await install('one', 'other');
    await gateway.process.line('file.rejected', ({ file }) => file === 'certificate');
    assert.equal(await servedName(gateway.ingestPort), 'one.example');
    await install('other', 'other');
    await gateway.process.line('file.reloaded', ({ file }) => file === 'certificate');
    assert.equal(await servedName(gateway.ingestPort), 'other.example');
    const { validToDate } = new X509Certificate(await readFile(cert));
    const expiry = await metricOf(gateway, 'acr_gateway_certificate_expiry_timestamp_seconds{file="certificate"}');
    assert.equal(expiry * 1000, validToDate.getTime());
    assert.equal(await sendOverTls(gateway.ingestPort, 'over-tls'), 200);
    await brigade.untilTaken('over-tls');
  });
});

/** The name in the certificate that is served on the port. */
function servedName(port: number): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate().subject.CN);
      socket.destroy();
    });
    socket.on('error', reject);
  });
}

function sendOverTls(port: number, id: string): Promise<number | undefined> {
  const headers = { authorization: `Bearer ${WEBHOOK_TOKEN}` };
  const options = { host: '127.0.0.1', port, path: '/events', method: 'POST', headers, rejectUnauthorized: false };
  return new Promise((resolve, reject) => {
    const sent = request({ ...options, agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    sent.on('error', reject);
    sent.end(aPush(id));
  });
}

test('an idle gateway wakes fewer than 50 times a second', { skip: process.platform !== 'linux' }, async (t) => {
  const brigade = await StubBrigade.start(t);
  const { process: gateway } = await serve(t, await anInstallation(t, brigade.address));
  const wakes = async () => {
    const status = await readFile(`/proc/${gateway.pid}/status`, 'utf8');
    return Number(/^voluntary_ctxt_switches:\s+(\d+)$/m.exec(status)?.[1]);
  };
  // Until what follows a start is over.
  await setTimeout(3000);
  const before = await wakes();
  await setTimeout(3000);
  const perSecond = ((await wakes()) - before) / 3;
  assert.ok(perSecond < 50, `${perSecond} a second`);
});
