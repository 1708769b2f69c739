import { hash, randomUUID } from 'node:crypto';
import { ACTIONS, type Action } from '../model/registry-event.ts';

/** The formats of samples. Each of the three modes of CloudEvents is one. */
export const SAMPLE_FORMATS = [
  'acr',
  'event-grid',
  'cloudevents',
  'cloudevents-batch',
  'cloudevents-binary',
  'distribution',
] as const;

export type SampleFormat = (typeof SAMPLE_FORMATS)[number];

export const SAMPLE_ACTIONS = [...ACTIONS, 'ping'] as const;

export type SampleAction = (typeof SAMPLE_ACTIONS)[number];

export interface Sample {
  readonly format: SampleFormat;
  readonly action: SampleAction;
  readonly registry: string;
  readonly repository: string;
  /** Absent: a push by digest. */
  readonly tag?: string | undefined;
  readonly id: string;
  readonly at: Date;
}

export interface SampleWebhook {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Event Grid has no others, in either of its schemas. */
const EVENT_GRID_TYPES: Readonly<Partial<Record<SampleAction, string>>> = {
  push: 'ImagePushed',
  delete: 'ImageDeleted',
  chart_push: 'ChartPushed',
  chart_delete: 'ChartDeleted',
};

const REGION = 'westeurope';
const JSON_TYPE = { 'content-type': 'application/json' };

/**
 * A webhook as a registry or Event Grid would send it, according to documentation and captures. Undefined where the format
 * has no such action.
 */
export function sampleWebhook(sample: Sample): SampleWebhook | undefined {
  const { format, action } = sample;
  if (format === 'acr')
    return { headers: { ...JSON_TYPE, 'user-agent': 'AzureContainerRegistry/1.0' }, body: text(nativeEvent(sample)) };
  if (format === 'distribution')
    return action === 'push' || action === 'delete' ? notification(sample, action) : undefined;
  const type = EVENT_GRID_TYPES[action];
  return type === undefined ? undefined : eventGridWebhook(sample, `Microsoft.ContainerRegistry.${type}`);
}

/** ACR's own format: charts have no `request`, deletions neither tag nor size, quarantines no media type. */
function nativeEvent(sample: Sample): object {
  const { id, action } = sample;
  const head = { id, timestamp: timestamp(sample), action };
  if (action === 'ping') return head;
  if (isChart(action)) return { ...head, target: chartTarget(sample, '.tgz') };
  return { ...head, target: imageTarget(sample, action), request: request(sample, action) };
}

function imageTarget(sample: Sample, action: Action): object {
  const { repository, tag } = sample;
  const digest = digestOf(sample);
  if (action === 'delete') return { mediaType: IMAGE, digest, repository };
  const size = { size: 524, digest, length: 524, repository, ...(tag === undefined ? {} : { tag }) };
  return action === 'quarantine' ? size : { mediaType: IMAGE, ...size };
}

/** Native webhooks end the version with `.tgz`, Event Grid's do not. */
function chartTarget(sample: Sample, ending: string): object {
  const { repository, tag = '1.0.0' } = sample;
  return {
    mediaType: 'application/vnd.acr.helm.chart',
    size: 25265,
    digest: digestOf(sample),
    repository,
    tag: `chart-${tag}.tgz`,
    name: 'chart',
    version: `${tag}${ending}`,
  };
}

function request({ registry }: Sample, action: Action): object {
  const common = { id: randomUUID(), host: registry, method: action === 'delete' ? 'DELETE' : 'PUT' };
  return action === 'quarantine' ? common : { ...common, useragent: 'docker/27.0.0' };
}

function eventGridWebhook(sample: Sample, type: string): SampleWebhook {
  const { format, id } = sample;
  const data = { ...nativeEvent(sample), ...chartData(sample), location: REGION };
  const source = resourceOf(sample.registry);
  const headers = {
    'aeg-event-type': 'Notification',
    'aeg-subscription-name': 'BRIGADE',
    'aeg-delivery-count': '0',
    'aeg-metadata-version': '1',
  };
  const common = { id, subject: subjectOf(sample) };
  if (format === 'event-grid') {
    const versions = { eventTime: timestamp(sample), dataVersion: '2.0', metadataVersion: '1' };
    const body = text([{ ...common, topic: source, eventType: type, data, ...versions }]);
    return { headers: { ...headers, 'content-type': 'application/json; charset=utf-8' }, body };
  }
  const attributes = { ...common, source, type, time: timestamp(sample), specversion: '1.0' };
  return cloudEvent(format, headers, attributes, data);
}

function cloudEvent(
  format: SampleFormat,
  headers: Readonly<Record<string, string>>,
  attributes: Readonly<Record<string, string>>,
  data: object,
): SampleWebhook {
  if (format === 'cloudevents-binary') {
    const names = Object.entries(attributes).map(([name, value]) => [`ce-${name}`, encodeURI(value)]);
    return { headers: { ...headers, ...Object.fromEntries(names), ...JSON_TYPE }, body: text(data) };
  }
  const type = `application/${format}+json; charset=utf-8`;
  const event = { ...attributes, data };
  return {
    headers: { ...headers, 'content-type': type },
    body: text(format === 'cloudevents-batch' ? [event] : event),
  };
}

function chartData(sample: Sample): object {
  return isChart(sample.action) ? { target: chartTarget(sample, '') } : {};
}

/** A CNCF registry's notification. For a deleted manifest it has only digest and repository. */
function notification(sample: Sample, action: 'push' | 'delete'): SampleWebhook {
  const { id, registry, repository } = sample;
  const digest = digestOf(sample);
  const url = `https://${registry}/v2/${repository}/manifests/${digest}`;
  const target = action === 'delete' ? { digest, repository } : { ...imageTarget(sample, action), url };
  const source = { addr: `${registry}:5000`, instanceID: randomUUID() };
  const event = {
    id,
    timestamp: timestamp(sample),
    action,
    target,
    request: { ...request(sample, action), addr: '192.0.2.1' },
    actor: {},
    source,
  };
  return {
    headers: { 'content-type': 'application/vnd.docker.distribution.events.v2+json' },
    body: text({ events: [event] }),
  };
}

const IMAGE = 'application/vnd.docker.distribution.manifest.v2+json';

function isChart(action: SampleAction): boolean {
  return action === 'chart_push' || action === 'chart_delete';
}

function digestOf({ id }: Sample): string {
  return `sha256:${hash('sha256', id)}`;
}

/** With seven decimals of a second, as Azure writes it. */
function timestamp({ at }: Sample): string {
  return at.toISOString().replace('Z', '0000Z');
}

function subjectOf({ action, repository, tag }: Sample): string {
  if (isChart(action)) return `chart:${tag ?? '1.0.0'}`;
  return action === 'delete' || tag === undefined ? repository : `${repository}:${tag}`;
}

function resourceOf(registry: string): string {
  const name = registry.split('.')[0]?.replaceAll('-', '') ?? '';
  const group = '/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/samples';
  return `${group}/providers/Microsoft.ContainerRegistry/registries/${name}`;
}

function text(json: object): string {
  return JSON.stringify(json);
}
