import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { renderCases } from './helm.ts';
import {
  all,
  containerOf,
  envOf,
  gatewayPod,
  type KubeObject,
  keysOf,
  type PodTemplate,
  testPod,
  workloadOf,
} from './objects.ts';

/** Attempts get 25 seconds after the signal, requests 5 after the delay; the rest is for closing the journal. */
const GRACE_BEYOND_DELAY_S = 30;

/** Names that the values files give to what exists already or is made by cert-manager. */
const MADE_BY_OTHERS = /^our-/;

const rendered = await renderCases();

/** Finds nothing wrong with any pod of any case. */
function inEveryPod(
  title: string,
  wrong: (pod: PodTemplate, documents: readonly KubeObject[]) => readonly unknown[],
): void {
  test(title, () => {
    assert.ok(rendered.length > 10);
    for (const [path, documents] of rendered) {
      assert.deepEqual(wrong(gatewayPod(documents), documents), [], path);
      assert.deepEqual(wrong(testPod(documents), documents), [], `${path}: the test pod`);
    }
  });
}

/** Finds nothing wrong with the gateway's pod of any case. */
function inEveryGateway(
  title: string,
  wrong: (pod: PodTemplate, documents: readonly KubeObject[]) => readonly unknown[],
): void {
  test(title, () => {
    for (const [path, documents] of rendered) assert.deepEqual(wrong(gatewayPod(documents), documents), [], path);
  });
}

/** Whether the Secret or ConfigMap is rendered with that key, or made by others. */
function exists(documents: readonly KubeObject[], kind: 'Secret' | 'ConfigMap', name: string, key?: string): boolean {
  if (MADE_BY_OTHERS.test(name)) return true;
  if (all(documents, 'Certificate').some(({ spec }) => spec.secretName === name)) return true;
  const found = all(documents, kind).filter(({ metadata }) => metadata.name === name);
  return found.some((document) => key === undefined || keysOf(document).includes(key));
}

interface Reference {
  readonly kind: 'Secret' | 'ConfigMap';
  readonly name: string;
  readonly key: string;
}

function referencesOf({ spec }: PodTemplate): readonly Reference[] {
  const mounted = (spec.volumes ?? []).flatMap(({ secret, configMap }) => [
    ...(secret?.items ?? []).map(({ key }): Reference => ({ kind: 'Secret', name: secret?.secretName ?? '', key })),
    ...(configMap?.items ?? []).map(({ key }): Reference => ({ kind: 'ConfigMap', name: configMap?.name ?? '', key })),
  ]);
  const variables = spec.containers.flatMap(({ env }) =>
    (env ?? []).flatMap(({ valueFrom }): Reference[] => {
      const { name = '', key = '' } = valueFrom?.secretKeyRef ?? {};
      return valueFrom === undefined ? [] : [{ kind: 'Secret', name, key }];
    }),
  );
  return [...mounted, ...variables];
}

/** The paths of the files that a pod finds in its volumes. */
function filesOf(pod: PodTemplate): readonly string[] {
  return (containerOf(pod).volumeMounts ?? []).flatMap(({ name, mountPath }) => {
    const volume = pod.spec.volumes?.find((each) => each.name === name);
    const items = volume?.secret?.items ?? volume?.configMap?.items ?? [];
    return items.map(({ path }) => `${mountPath}/${path}`);
  });
}

suite('every pod of the chart', () => {
  inEveryPod(
    'meets the Pod Security Standard "restricted", has a read-only file system and no token of the cluster',
    (pod) => {
      const { securityContext, hostNetwork, hostPID, hostIPC, automountServiceAccountToken, volumes } = pod.spec;
      const { securityContext: own, ports } = containerOf(pod);
      const facts = {
        nonRoot: securityContext?.runAsNonRoot === true && (securityContext.runAsUser ?? 0) > 0,
        seccomp: securityContext?.seccompProfile?.type === 'RuntimeDefault',
        unprivileged: own?.allowPrivilegeEscalation === false && own.privileged !== true,
        noCapabilities: own?.capabilities?.drop?.join() === 'ALL' && own.capabilities.add === undefined,
        readOnly: own?.readOnlyRootFilesystem === true,
        noToken: automountServiceAccountToken === false,
        apart: hostNetwork !== true && hostPID !== true && hostIPC !== true,
        noPortOfTheNode: (ports ?? []).every(({ hostPort }) => hostPort === undefined),
        noPathOfTheNode: (volumes ?? []).every(({ hostPath }) => hostPath === undefined),
      };
      return Object.entries(facts).flatMap(([fact, holds]) => (holds ? [] : [fact]));
    },
  );

  inEveryPod('refers to Secrets, ConfigMaps and keys that exist', (pod, documents) => {
    assert.ok(referencesOf(pod).length > 0);
    return referencesOf(pod).filter(({ kind, name, key }) => !exists(documents, kind, name, key));
  });

  inEveryPod('mounts every volume that it declares, and no other', (pod, documents) => {
    const claims =
      'volumeClaimTemplates' in (workloadOf(documents).spec ?? {}) && pod.labels === gatewayPod(documents).labels;
    const volumes = [...(pod.spec.volumes ?? []).map(({ name }) => name), ...(claims ? ['journal'] : [])];
    const mounts = (containerOf(pod).volumeMounts ?? []).map(({ name }) => name);
    return [...volumes.filter((name) => !mounts.includes(name)), ...mounts.filter((name) => !volumes.includes(name))];
  });

  inEveryPod('mounts secrets as whole folders, so that changes arrive, and lets the group read them', (pod) => [
    ...(containerOf(pod).volumeMounts ?? []).filter(({ subPath }) => subPath !== undefined),
    ...(pod.spec.volumes ?? []).filter(({ secret }) => secret !== undefined && secret.defaultMode !== 0o440),
  ]);

  inEveryGateway('names only files that exist in its volumes', (pod) => {
    const paths = Object.entries(envOf(pod)).filter(([name]) => name.endsWith('_PATH'));
    assert.ok(paths.length > 1);
    return paths.filter(([, path]) => !filesOf(pod).includes(path));
  });

  inEveryGateway('is configured for Brigade or for a CloudEvents receiver, never for both', (pod, documents) => {
    const names = containerOf(pod).env?.map(({ name }) => name) ?? [];
    const files = filesOf(pod).filter((path) => /^\/app\/(?:brigade|sink)/.test(path));
    const secrets = all(documents, 'Secret').flatMap(keysOf);
    const hasSink = names.includes('SINK_URL');
    assert.notEqual(names.includes('API_ADDRESS'), hasSink);
    const others = hasSink ? /^(?:API_|\/app\/brigade|brigadeAPIToken)/ : /^(?:SINK_|\/app\/sink|sinkCredential)/;
    return [...names, ...files, ...secrets].filter((each) => others.test(each));
  });

  inEveryGateway('has probes that ask the admin port, which has no address on the internet', (pod) => {
    const { ports, startupProbe, livenessProbe, readinessProbe } = containerOf(pod);
    const { PORT, ADMIN_PORT } = envOf(pod);
    const numbers = Object.fromEntries((ports ?? []).map(({ name, containerPort }) => [name, String(containerPort)]));
    assert.deepEqual(numbers, { webhooks: PORT, admin: ADMIN_PORT });
    assert.deepEqual(startupProbe?.httpGet, { path: '/healthz', port: 'admin' });
    assert.deepEqual(livenessProbe?.httpGet, startupProbe?.httpGet);
    assert.deepEqual(readinessProbe?.httpGet, { path: '/readyz', port: 'admin' });
    return new Set([startupProbe, livenessProbe, readinessProbe].map((probe) => JSON.stringify(probe))).size === 3
      ? []
      : ['probes that do not differ'];
  });

  inEveryGateway('has a grace period as long as its shutdown, and a readiness probe that outlasts the delay', (pod) => {
    const delay = Number.parseInt(envOf(pod)['SHUTDOWN_DELAY'] ?? '', 10);
    const { periodSeconds = 0, failureThreshold = 0 } = containerOf(pod).readinessProbe ?? {};
    const isEnough = (pod.spec.terminationGracePeriodSeconds ?? 0) >= delay + GRACE_BEYOND_DELAY_S;
    return isEnough && periodSeconds * (failureThreshold - 1) >= delay ? [] : [pod.spec.terminationGracePeriodSeconds];
  });

  inEveryGateway(
    'has a journal of its own unless the journal is in PostgreSQL, and is scaled only then',
    (pod, documents) => {
      const { kind, spec } = workloadOf(documents);
      const url = containerOf(pod).env?.find(({ name }) => name === 'JOURNAL_URL');
      const isShared = url?.valueFrom !== undefined;
      const scalers = all(documents, 'HorizontalPodAutoscaler');
      assert.equal(kind, isShared ? 'Deployment' : 'StatefulSet');
      assert.equal(spec?.replicas === undefined, scalers.length > 0);
      if (!isShared && spec !== undefined && 'volumeClaimTemplates' in spec) {
        const [claim, ...more] = spec.volumeClaimTemplates ?? [];
        const mount = containerOf(pod).volumeMounts?.find(({ name }) => name === claim?.metadata?.name);
        assert.match(url?.value ?? '', new RegExp(`^sqlite:${mount?.mountPath}/`));
        assert.deepEqual([mount?.readOnly, more], [undefined, []]);
      }
      return scalers.filter((scaler) => kind !== 'Deployment' || scaler.spec?.scaleTargetRef.kind !== kind);
    },
  );

  test('has an Ingress whose certificate exists', () => {
    for (const [path, documents] of rendered) {
      const names = all(documents, 'Ingress').flatMap(({ metadata, spec }) =>
        (spec?.tls ?? []).map(({ secretName = '' }) => ({ secretName, annotations: metadata.annotations ?? {} })),
      );
      const missing = names.filter(
        ({ secretName, annotations }) =>
          !exists(documents, 'Secret', secretName, 'tls.crt') &&
          annotations['cert-manager.io/cluster-issuer'] === undefined,
      );
      assert.deepEqual(missing, [], path);
    }
  });
});
