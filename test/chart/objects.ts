import type { Deployment, StatefulSet } from 'kubernetes-types/apps/v1.d.ts';
import type { HorizontalPodAutoscaler } from 'kubernetes-types/autoscaling/v2.d.ts';
import type { ConfigMap, Pod, PodSpec, Secret, Service } from 'kubernetes-types/core/v1.d.ts';
import type { Ingress, NetworkPolicy } from 'kubernetes-types/networking/v1.d.ts';
import type { PodDisruptionBudget } from 'kubernetes-types/policy/v1.d.ts';
import type { Certificate, HTTPRoute, PrometheusRule, ServiceMonitor } from './custom-resources.ts';

/** Every kind that the chart renders. */
export interface Kinds {
  readonly Certificate: Certificate;
  readonly ConfigMap: ConfigMap;
  readonly Deployment: Deployment;
  readonly HTTPRoute: HTTPRoute;
  readonly HorizontalPodAutoscaler: HorizontalPodAutoscaler;
  readonly Ingress: Ingress;
  readonly NetworkPolicy: NetworkPolicy;
  readonly Pod: Pod;
  readonly PodDisruptionBudget: PodDisruptionBudget;
  readonly PrometheusRule: PrometheusRule;
  readonly Secret: Secret;
  readonly Service: Service;
  readonly ServiceMonitor: ServiceMonitor;
  readonly StatefulSet: StatefulSet;
}

export type Labels = Readonly<Record<string, string>>;

export interface KubeObject {
  readonly apiVersion: string;
  readonly kind: keyof Kinds;
  readonly metadata: { readonly name: string; readonly labels?: Labels; readonly annotations?: Labels };
}

export function all<K extends keyof Kinds>(
  documents: readonly KubeObject[],
  kind: K,
): readonly (KubeObject & Kinds[K])[] {
  return documents.filter((document): document is KubeObject & Kinds[K] => document.kind === kind);
}

/** The only object of that kind, or the one of that name. */
export function the<K extends keyof Kinds>(
  documents: readonly KubeObject[],
  kind: K,
  name?: string,
): KubeObject & Kinds[K] {
  const found = all(documents, kind).filter(({ metadata }) => name === undefined || metadata.name === name);
  const [first] = found;
  if (first === undefined || found.length > 1) throw new Error(`${found.length} of ${kind} ${name ?? ''}`);
  return first;
}

export interface PodTemplate {
  readonly labels: Labels;
  readonly spec: PodSpec;
}

/** The StatefulSet or Deployment. */
export function workloadOf(documents: readonly KubeObject[]): KubeObject & (StatefulSet | Deployment) {
  const [workload] = [...all(documents, 'StatefulSet'), ...all(documents, 'Deployment')];
  if (workload === undefined) throw new Error('no workload');
  return workload;
}

/** The pod of the gateway. */
export function gatewayPod(documents: readonly KubeObject[]): PodTemplate {
  const { template } = workloadOf(documents).spec ?? {};
  return { labels: template?.metadata?.labels ?? {}, spec: template?.spec ?? { containers: [] } };
}

/** The pod that `helm test` runs. */
export function testPod(documents: readonly KubeObject[]): PodTemplate {
  const { metadata, spec } = the(documents, 'Pod');
  return { labels: metadata.labels ?? {}, spec: spec ?? { containers: [] } };
}

/** The only container of a pod. */
export function containerOf({ spec }: PodTemplate): PodSpec['containers'][number] {
  const [container] = spec.containers;
  if (container === undefined || spec.containers.length > 1) throw new Error('not one container');
  return container;
}

export function envOf(pod: PodTemplate): Labels {
  return Object.fromEntries(
    (containerOf(pod).env ?? []).flatMap(({ name, value }) => (value === undefined ? [] : [[name, value]])),
  );
}

/** The keys of a Secret or ConfigMap. */
export function keysOf(document: KubeObject & (Secret | ConfigMap)): readonly string[] {
  return Object.keys({ ...document.data, ...('stringData' in document ? document.stringData : {}) });
}

export function matches(selector: Labels | undefined, labels: Labels): boolean {
  const wanted = Object.entries(selector ?? {});
  return wanted.length > 0 && wanted.every(([name, value]) => labels[name] === value);
}
