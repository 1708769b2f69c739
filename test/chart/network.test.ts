import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { render, type Values } from './helm.ts';
import { testPod, the } from './objects.ts';
import { MINIMAL_WITH_CERTIFICATE } from './values.ts';

async function policyOf(values: Values) {
  const { documents } = await render({ ...MINIMAL_WITH_CERTIFICATE, networkPolicy: { enabled: true }, ...values });
  const { ingress = [], egress = [] } = the(documents, 'NetworkPolicy').spec ?? {};
  return { ingress, egress, testLabels: testPod(documents).labels };
}

/** The egress rules without the one for DNS: the peers of each, or else its ports. */
async function egressOf(values: Values): Promise<readonly unknown[]> {
  const { egress } = await policyOf(values);
  return egress.slice(1).map(({ to, ports }) => to ?? ports);
}

suite('the NetworkPolicy', { concurrency: 4 }, () => {
  for (const type of ['LoadBalancer', 'NodePort']) {
    test(`lets everything send webhooks to a Service of type ${type}`, async () => {
      const { ingress } = await policyOf({ service: { type } });
      assert.deepEqual(ingress, [{ ports: [{ port: 'webhooks' }] }]);
    });
  }

  test('lets the named peers and the test pod send webhooks to a Service of type ClusterIP', async () => {
    const from = [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'ingress-nginx' } } }];
    const { ingress, testLabels } = await policyOf({ networkPolicy: { enabled: true, from } });
    const tester = { podSelector: { matchLabels: testLabels } };
    assert.deepEqual(ingress, [{ ports: [{ port: 'webhooks' }], from: [...from, tester] }]);
  });

  test('opens the admin port to readers of metrics only, and closes it without a ServiceMonitor', async () => {
    const { ingress } = await policyOf({ serviceMonitor: { enabled: true } });
    assert.deepEqual(ingress[1], { ports: [{ port: 'admin' }], from: [{ namespaceSelector: {} }] });
    assert.equal((await policyOf({})).ingress.length, 1);
  });

  test('reads an empty list of peers as no peer, not as every peer', async () => {
    const networkPolicy = { enabled: true, from: [], metricsFrom: [] };
    const { ingress, testLabels } = await policyOf({ networkPolicy, serviceMonitor: { enabled: true } });
    assert.deepEqual(ingress, [
      { ports: [{ port: 'webhooks' }], from: [{ podSelector: { matchLabels: testLabels } }] },
    ]);
  });

  const brigades: readonly (readonly [address: string, peers: unknown])[] = [
    ['https://brigade-apiserver.brigade.svc.cluster.local', namespace('brigade')],
    ['https://brigade-apiserver.brigade.svc', namespace('brigade')],
    ['http://brigade-apiserver.events.svc.our.domain:8080', namespace('events')],
    ['https://brigade-apiserver', [{ podSelector: {} }]],
    ['https://brigade.example.org', [{ port: 443 }]],
    ['http://brigade.example.org', [{ port: 80 }]],
    ['https://brigade.example.org:8443/api', [{ port: 8443 }]],
    ['https://svc.example.org:8443', [{ port: 8443 }]],
  ];
  for (const [apiAddress, peers] of brigades) {
    test(`allows connections to a Brigade at ${apiAddress}`, async () => {
      assert.deepEqual(await egressOf({ brigade: { apiToken: 'token', apiAddress } }), [peers]);
    });
  }

  const receivers: readonly (readonly [url: string, peers: unknown])[] = [
    ['cloudevents+http://broker-ingress.knative-eventing.svc.cluster.local/a/b', namespace('knative-eventing')],
    ['cloudevents+http://receiver:8080', [{ podSelector: {} }]],
    ['cloudevents+https://broker.example.org', [{ port: 443 }]],
    ['cloudevents+http://broker.example.org/events', [{ port: 80 }]],
    ['cloudevents+https://broker.example.org:8443/events', [{ port: 8443 }]],
  ];
  for (const [url, peers] of receivers) {
    test(`allows connections to a CloudEvents receiver at ${url}, and none to Brigade`, async () => {
      assert.deepEqual(await egressOf({ sink: { url } }), [peers]);
    });
  }

  test('allows connections to the key server of Entra ID if its tokens are accepted', async () => {
    const entra = { tenant: '11111111-2222-3333-4444-555555555555', audiences: ['api://gateway'] };
    const last = async (config: Values) => (await egressOf({ config })).slice(1);
    assert.deepEqual(await last({ entra }), [[{ port: 443 }]]);
    assert.deepEqual(await last({ entra: { ...entra, authority: 'https://keys.example.org:8443' } }), [
      [{ port: 8443 }],
    ]);
    assert.deepEqual(await last({ rules: [{ ignore: {} }] }), []);
  });

  test('allows connections to PostgreSQL', async () => {
    const ports = async (journal: Values) => (await egressOf({ journal })).slice(1);
    assert.deepEqual(await ports({ url: 'postgres://u:p@db:6432/j' }), [[{ port: 6432 }]]);
    assert.deepEqual(await ports({ url: 'postgres://u:p@db/j' }), [[{ port: 5432 }]]);
    assert.deepEqual(await ports({ existingSecret: 'ours' }), [[{ port: 5432 }]]);
  });
});

function namespace(name: string): unknown {
  return [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': name } } }];
}
