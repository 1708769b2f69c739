import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { CHART, render, renderCases } from './helm.ts';
import { all, containerOf, gatewayPod, type KubeObject, matches, testPod, the, workloadOf } from './objects.ts';

const NAME = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?$/;
const NAME_CHARS = 63;
/** Every character of a release's name that Helm allows. */
const LONG_RELEASE = 'a-release-whose-name-is-as-long-as-helm-lets-it-be-53';

/** The secrets of the values files, which only Secrets may hold. */
const SECRET = /token-of-|MySharedSecret|password@/;

const long = await render(`${CHART}/ci/replicas-values.yaml`, { release: LONG_RELEASE });
const rendered = [...(await renderCases()), ['a long release name', long.documents] as const];

/** Finds nothing wrong in any case. */
function inEveryCase(title: string, wrong: (documents: readonly KubeObject[]) => readonly unknown[]): void {
  test(title, () => {
    assert.ok(rendered.length > 10);
    for (const [path, documents] of rendered) assert.deepEqual(wrong(documents), [], path);
  });
}

function without<T>(found: readonly T[], wanted: (each: T) => boolean): readonly T[] {
  return found.filter((each) => !wanted(each));
}

suite('every object of the chart', () => {
  inEveryCase('has a name and labels that Kubernetes accepts, and a name that is unique in its kind', (documents) => {
    const names = documents.map(({ kind, metadata }) => `${kind} ${metadata.name}`);
    const labels = documents.flatMap(({ metadata }) => Object.values(metadata.labels ?? {}));
    const long = [...documents.map(({ metadata }) => metadata.name)].filter((name) => name.length > NAME_CHARS);
    const illegal = without(
      documents.map(({ metadata }) => metadata.name),
      (name) => NAME.test(name),
    );
    const doubled = names.filter((name, index) => names.indexOf(name) !== index);
    return [...long, ...illegal, ...doubled, ...labels.filter((value) => value.length > NAME_CHARS)];
  });

  inEveryCase('that is a StatefulSet has a name that leaves room for the label of its revision', (documents) =>
    all(documents, 'StatefulSet').filter(({ metadata }) => metadata.name.length > NAME_CHARS - 11),
  );

  test('is named after the release if the release has the name of the chart', () => {
    for (const [path, documents] of rendered) {
      if (/everything|brigade-ca|long/.test(path)) continue;
      const strange = without(documents, ({ metadata }) => metadata.name.startsWith('brigade-acr-gateway'));
      assert.deepEqual(strange, [], path);
      assert.equal(the(documents, 'Service', 'brigade-acr-gateway').metadata.name, workloadOf(documents).metadata.name);
    }
  });

  inEveryCase('except a Secret holds no secret', (documents) =>
    documents.filter((document) => document.kind !== 'Secret' && SECRET.test(JSON.stringify(document))),
  );

  inEveryCase('that selects pods selects those of the gateway, and never the test pod', (documents) => {
    const { labels, spec } = gatewayPod(documents);
    const selectors = [
      workloadOf(documents).spec?.selector?.matchLabels,
      ...all(documents, 'Service').map((each) => each.spec?.selector),
      ...all(documents, 'PodDisruptionBudget').map((each) => each.spec?.selector?.matchLabels),
      ...all(documents, 'NetworkPolicy').map((each) => each.spec?.podSelector.matchLabels),
    ];
    const spread = (spec.topologySpreadConstraints ?? []).map(({ labelSelector }) => labelSelector?.matchLabels);
    return [
      ...without([...selectors, ...spread], (selector) => matches(selector, labels)),
      ...selectors.filter((selector) => matches(selector, testPod(documents).labels)),
    ];
  });

  inEveryCase('that refers to a port refers to one that exists', (documents) => {
    const ports = containerOf(gatewayPod(documents)).ports?.map(({ name }) => name) ?? [];
    const services = all(documents, 'Service');
    const targets = services.flatMap((service) => service.spec?.ports?.map(({ targetPort }) => targetPort) ?? []);
    const leads = (name: string, port: number | string) =>
      services
        .filter(({ metadata }) => metadata.name === name)
        .some(({ spec }) => spec?.ports?.some((each) => each.port === port || each.name === port));
    const routes = all(documents, 'HTTPRoute').flatMap(({ spec }) => spec.rules.flatMap((rule) => rule.backendRefs));
    const backends = all(documents, 'Ingress').flatMap(
      ({ spec }) => spec?.rules?.flatMap((rule) => rule.http?.paths.map(({ backend }) => backend.service) ?? []) ?? [],
    );
    const url = new URL(containerOf(testPod(documents)).env?.find(({ name }) => name === 'GATEWAY_URL')?.value ?? '');
    return [
      ...without(targets, (target) => ports.some((port) => port === target)),
      ...without(routes, ({ name, port }) => leads(name, port)),
      ...without(backends, (backend) => leads(backend?.name ?? '', backend?.port?.name ?? '')),
      ...without([url], ({ hostname, port, protocol }) =>
        leads(hostname, Number(port || (protocol === 'https:' ? 443 : 80))),
      ),
    ];
  });

  inEveryCase('that is a ServiceMonitor selects the Service with the metrics port, and no other', (documents) =>
    all(documents, 'ServiceMonitor').flatMap(({ spec }) => {
      const found = all(documents, 'Service').filter(({ metadata }) =>
        matches(spec.selector.matchLabels, metadata.labels ?? {}),
      );
      const ports = found.flatMap((service) => service.spec?.ports?.map(({ name }) => name) ?? []);
      return without([ports], ([port, ...more]) => port === spec.endpoints[0]?.port && more.length === 0);
    }),
  );

  inEveryCase('that is a Service with a public address does not expose the admin port', (documents) =>
    all(documents, 'Service')
      .filter(({ spec }) => spec?.type !== undefined && spec.type !== 'ClusterIP')
      .filter(({ spec }) => spec?.ports?.some(({ targetPort }) => targetPort === 'admin')),
  );
});
