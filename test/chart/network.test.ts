import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { parse } from 'yaml';
import { read } from '../house/repository.ts';
import { CHART, render, type Values } from './helm.ts';
import { testPod, the } from './objects.ts';

const MINIMAL: Values = parse(read(`${CHART}/ci/minimal-values.yaml`));

async function policyOf(values: Values) {
  const { documents } = await render({ ...MINIMAL, networkPolicy: { enabled: true }, ...values });
  const { ingress = [], egress = [] } = the(documents, 'NetworkPolicy').spec ?? {};
  return { ingress, egress, testLabels: testPod(documents).labels };
}

/** The ports of the rules that lead out of the cluster, DNS aside. */
async function waysOut(values: Values): Promise<readonly unknown[]> {
  const { egress } = await policyOf(values);
  return egress.slice(1).map(({ to, ports }) => to ?? ports);
}

suite('the NetworkPolicy', { concurrency: 4 }, () => {
  for (const type of ['LoadBalancer', 'NodePort']) {
    test(`lets everybody send webhooks where the Service is a ${type}`, async () => {
      const { ingress } = await policyOf({ service: { type } });
      assert.deepEqual(ingress, [{ ports: [{ port: 'webhooks' }] }]);
    });
  }

  test('lets in who is named, and the test, where the Service is a ClusterIP', async () => {
    const from = [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'ingress-nginx' } } }];
    const { ingress, testLabels } = await policyOf({ networkPolicy: { enabled: true, from } });
    const tester = { podSelector: { matchLabels: testLabels } };
    assert.deepEqual(ingress, [{ ports: [{ port: 'webhooks' }], from: [...from, tester] }]);
  });

  test('keeps the admin port to those who read metrics, and closed where there are none', async () => {
    const { ingress } = await policyOf({ serviceMonitor: { enabled: true } });
    assert.deepEqual(ingress[1], { ports: [{ port: 'admin' }], from: [{ namespaceSelector: {} }] });
    assert.equal((await policyOf({})).ingress.length, 1);
  });

  test('takes nobody for nobody, not for everybody', async () => {
    const networkPolicy = { enabled: true, from: [], metricsFrom: [] };
    const { ingress, testLabels } = await policyOf({ networkPolicy, serviceMonitor: { enabled: true } });
    assert.deepEqual(ingress, [
      { ports: [{ port: 'webhooks' }], from: [{ podSelector: { matchLabels: testLabels } }] },
    ]);
  });

  const brigades: readonly (readonly [address: string, way: unknown])[] = [
    ['https://brigade-apiserver.brigade.svc.cluster.local', namespace('brigade')],
    ['https://brigade-apiserver.brigade.svc', namespace('brigade')],
    ['http://brigade-apiserver.events.svc.our.domain:8080', namespace('events')],
    ['https://brigade-apiserver', [{ podSelector: {} }]],
    ['https://brigade.example.org', [{ port: 443 }]],
    ['http://brigade.example.org', [{ port: 80 }]],
    ['https://brigade.example.org:8443/api', [{ port: 8443 }]],
    ['https://svc.example.org:8443', [{ port: 8443 }]],
  ];
  for (const [apiAddress, way] of brigades) {
    test(`leaves the way open to a Brigade at ${apiAddress}`, async () => {
      assert.deepEqual(await waysOut({ brigade: { apiToken: 'token', apiAddress } }), [way]);
    });
  }

  const receivers: readonly (readonly [url: string, way: unknown])[] = [
    ['cloudevents+http://broker-ingress.knative-eventing.svc.cluster.local/a/b', namespace('knative-eventing')],
    ['cloudevents+http://receiver:8080', [{ podSelector: {} }]],
    ['cloudevents+https://broker.example.org', [{ port: 443 }]],
    ['cloudevents+http://broker.example.org/events', [{ port: 80 }]],
    ['cloudevents+https://broker.example.org:8443/events', [{ port: 8443 }]],
  ];
  for (const [url, way] of receivers) {
    test(`leaves the way open to a receiver of CloudEvents at ${url}, and not to Brigade`, async () => {
      assert.deepEqual(await waysOut({ sink: { url } }), [way]);
    });
  }

  test('leaves the way open to the keys of Entra ID where its tokens are believed', async () => {
    const entra = { tenant: '11111111-2222-3333-4444-555555555555', audiences: ['api://gateway'] };
    const last = async (config: Values) => (await waysOut({ config })).slice(1);
    assert.deepEqual(await last({ entra }), [[{ port: 443 }]]);
    assert.deepEqual(await last({ entra: { ...entra, authority: 'https://keys.example.org:8443' } }), [
      [{ port: 8443 }],
    ]);
    assert.deepEqual(await last({ rules: [{ ignore: {} }] }), []);
  });

  test('leaves the way open to PostgreSQL', async () => {
    const ports = async (journal: Values) => (await waysOut({ journal })).slice(1);
    assert.deepEqual(await ports({ url: 'postgres://u:p@db:6432/j' }), [[{ port: 6432 }]]);
    assert.deepEqual(await ports({ url: 'postgres://u:p@db/j' }), [[{ port: 5432 }]]);
    assert.deepEqual(await ports({ existingSecret: 'ours' }), [[{ port: 5432 }]]);
  });
});

function namespace(name: string): unknown {
  return [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': name } } }];
}
