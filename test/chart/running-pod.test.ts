import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { connect } from 'node:tls';
import { ADMIN_TOKEN, API_TOKEN, aFolder, WEBHOOK_TOKEN } from '../support/serve-process.ts';
import { type Cleanup, StubBrigade } from '../support/stub-brigade.ts';
import { Cluster, type RunningPod } from './cluster.ts';
import { RELEASE, type Values } from './helm.ts';
import { UNFIT } from './node.ts';
import { HOST, IngressProxy, makeCertificate, type ProxyKind } from './proxy.ts';
import { Load, type Sent, sendOnce } from './sender.ts';

const HEALTHY = [200, 200, 200];

/** Ten by default; a test waits for it. */
const DELAY_S = 2;

/** Webhooks that pass before proxies have noticed a change. */
const LAG = 20;

/** The proxy and protocol of a webhook, and whether the gateway itself speaks TLS. */
const WAYS: readonly (readonly [kind: ProxyKind, protocol: 'h1' | 'h2', tls: boolean])[] = [
  ['nginx', 'h2', true],
  ['haproxy', 'h2', false],
  ['haproxy-passthrough', 'h1', true],
];

async function release(t: Cleanup, others: Values = {}) {
  const brigade = await StubBrigade.start(t);
  const values: Values = {
    host: HOST,
    brigade: { apiAddress: brigade.address, apiToken: API_TOKEN },
    admin: { token: ADMIN_TOKEN },
    tokens: { ci: WEBHOOK_TOKEN },
    journal: { reserve: '32MiB' },
    shutdownDelaySeconds: 0,
    ...others,
  };
  return { brigade, cluster: await Cluster.install(t, values) };
}

function failuresOf(sent: readonly Sent[]): readonly Sent[] {
  assert.ok(sent.length > LAG);
  return sent.filter(({ answer }) => answer !== 200);
}

function reloaded(pod: RunningPod, file: string): Promise<unknown> {
  return pod.process.line('file.reloaded', (line) => line['file'] === file);
}

/** The name in the certificate that a pod serves. */
function shownName({ address }: RunningPod): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: address, port: 8080, rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate().subject.CN);
      socket.destroy();
    });
    socket.on('error', reject);
  });
}

suite('the rendered pod', { concurrency: 2, skip: UNFIT }, () => {
  // Node writes its compile cache when a process ends. The pods of the tests are killed.
  before(async () => {
    const { cluster } = await release({ after });
    await cluster.end(await cluster.start(0));
  });

  test('starts, is ready and accepts webhooks while Brigade is down', async (t) => {
    const { brigade, cluster } = await release(t);
    await brigade.goDown();
    const pod = await cluster.start(0);
    assert.deepEqual(await cluster.probe(pod), HEALTHY);
    const { answer } = await sendOnce({ host: pod.address, port: 8080, protocol: 'h1' }, 'early', WEBHOOK_TOKEN);
    assert.equal(answer, 200);
    await brigade.comeBack();
    await brigade.untilTaken('early');
    assert.equal(brigade.arrivals[0]?.token, API_TOKEN);
  });

  for (const tls of [true, false]) {
    test(`passes "helm test" ${tls ? 'with' : 'without'} TLS, and fails it with an unknown token`, async (t) => {
      const { cluster } = await release(t, { tls: { enabled: tls } });
      const pod = await cluster.start(0);
      const { code, output } = await cluster.test(pod);
      assert.equal(code, 0, output);
      assert.match(output, /a ping of ci was answered 200/);
      cluster.change(`${RELEASE}-config`, { 'tokens.json': '{"other":"unknown"}' });
      const unknown = await cluster.test(pod);
      assert.equal(unknown.code, 1, unknown.output);
      assert.match(unknown.output, /answered 403/);
    });
  }

  test('fails "helm test" without receiving a token if it serves another certificate than that of its Secret', async (t) => {
    const { cluster } = await release(t);
    const pod = await cluster.start(0);
    cluster.change(`${RELEASE}-cert`, { 'tls.crt': makeCertificate(await aFolder(t)).crt });
    const { code, output } = await cluster.test(pod);
    assert.equal(code, 1);
    assert.match(output, /shows another certificate/);
    assert.deepEqual(pod.process.linesOf('webhook.received'), []);
  });

  test('ends with a reason if the journal is in PostgreSQL, which this version does not support', async (t) => {
    const { cluster } = await release(t, { journal: { url: 'postgres://db/journal' } });
    await assert.rejects(cluster.start(0), /PostgreSQL is not supported by this version/);
  });

  test('of a single replica accepts webhooks until its delay is over, ends in time, and delivers after its restart', async (t) => {
    const { brigade, cluster } = await release(t, { shutdownDelaySeconds: DELAY_S });
    await brigade.goDown();
    const old = await cluster.start(0);
    const target = { host: old.address, port: 8080, protocol: 'h1' } as const;
    assert.equal((await sendOnce(target, 'before', WEBHOOK_TOKEN)).answer, 200);
    const ended = cluster.end(old);
    await old.process.line('gateway.stopping');
    assert.equal((await sendOnce(target, 'meanwhile', WEBHOOK_TOKEN)).answer, 200);
    assert.deepEqual(await cluster.probe(old), [200, 200, 503]);
    assert.equal(await ended, 0);
    await brigade.comeBack();
    await cluster.start(0);
    await brigade.untilTaken('before', 'meanwhile');
  });

  for (const [kind, protocol, tls] of WAYS) {
    test(`behind ${kind} loads new tokens and a new certificate without a failed webhook`, async (t) => {
      const { brigade, cluster } = await release(t, { tls: { enabled: tls } });
      const pod = await cluster.start(0);
      const proxy = await IngressProxy.start(t, kind, cluster, [pod]);
      const load = new Load({ port: proxy.port, protocol }, WEBHOOK_TOKEN);
      await load.more(LAG);
      const tokens = { ci: WEBHOOK_TOKEN, next: 'the-next-token' };
      await cluster.rotate(`${RELEASE}-config`, { 'tokens.json': JSON.stringify(tokens) });
      await reloaded(pod, 'tokens');
      load.token = tokens.next;
      await cluster.rotate(RELEASE, { brigadeAPIToken: 'the-next-api-token', adminToken: ADMIN_TOKEN });
      await reloaded(pod, 'sink-token');
      if (tls) {
        const { crt, key } = makeCertificate(await aFolder(t), 'renewed');
        await cluster.rotate(`${RELEASE}-cert`, { 'tls.crt': crt, 'tls.key': key });
        await reloaded(pod, 'certificate');
        assert.equal(await shownName(pod), 'renewed');
      }
      await load.more(LAG);
      const sent = await load.stop();
      assert.deepEqual(failuresOf(sent), []);
      await brigade.untilTaken(...sent.map(({ id }) => id));
      assert.deepEqual([...new Set(brigade.arrivals.map(({ token }) => token))], [API_TOKEN, 'the-next-api-token']);
      assert.deepEqual(pod.process.linesOf('file.rejected'), []);
    });

    test(`behind ${kind} is replaced, one of two at a time, without a failed webhook`, async (t) => {
      const others = { tls: { enabled: tls }, replicas: 2, shutdownDelaySeconds: DELAY_S };
      const { brigade, cluster } = await release(t, others);
      let pods = await Promise.all([0, 1].map((number) => cluster.start(number)));
      const proxy = await IngressProxy.start(t, kind, cluster, pods);
      const load = new Load({ port: proxy.port, protocol }, WEBHOOK_TOKEN);
      await load.more(LAG);
      for (const [number, old] of [...pods].entries()) {
        const ended = cluster.end(old);
        await old.process.line('gateway.stopping');
        await load.more(LAG);
        pods = pods.filter((pod) => pod !== old);
        await proxy.lead(pods);
        assert.equal(await ended, 0);
        const next = await cluster.start(number);
        assert.deepEqual(await cluster.probe(next), HEALTHY);
        pods = [...pods, next];
        await proxy.lead(pods);
        await load.more(LAG);
      }
      const sent = await load.stop();
      assert.deepEqual(failuresOf(sent), []);
      await brigade.untilTaken(...sent.map(({ id }) => id));
      // Kept connections need not lead to both.
      assert.ok(pods.some(({ process }) => process.linesOf('webhook.received').length > 0));
    });
  }
});
