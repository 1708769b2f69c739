import { ACTIONS, type Action, type ManifestKind, type RegistryEvent } from '../model/registry-event.ts';
import type { Issue } from '../model/webhook.ts';
import { CHART_TAG, DIGEST, type Grammar, REPOSITORY, TAG, TEXT } from './grammar.ts';
import { isObject, issue, type JsonObject, own } from './json.ts';

/** The fields of a registry event that are present. */
export type Fields = { -readonly [name in keyof RegistryEvent]?: RegistryEvent[name] };

/** The fields of a native ACR object. `action` is the text of the object, and may be unknown. */
export interface NativeFields {
  readonly id: string | undefined;
  readonly action: string | undefined;
  readonly fields: Omit<Fields, 'id' | 'action'>;
}

/** By media type. An image and an OCI chart have the same one. */
const MANIFESTS: ReadonlyMap<string, ManifestKind> = new Map([
  ['application/vnd.docker.distribution.manifest.v2+json', 'single'],
  ['application/vnd.oci.image.manifest.v1+json', 'single'],
  ['application/vnd.docker.distribution.manifest.list.v2+json', 'index'],
  ['application/vnd.oci.image.index.v1+json', 'index'],
  ['application/vnd.acr.helm.chart', 'chart'],
]);

const TAG_OR_DIGEST: Grammar = {
  test: (text) => TAG.test(text) || DIGEST.test(text),
  expected: TAG.expected,
};

/**
 * Reads the fields that the gateway uses, and collects their issues. Absent, null and empty are the same. A field that is present
 * must have the right type and fit its grammar: it is better to report an event as unreadable than to deliver it with wrong fields.
 */
export class FieldReader {
  readonly issues: Issue[] = [];

  /** A native ACR object, in any format. Azure's API description calls each of its fields optional. */
  native(json: JsonObject, path = ''): NativeFields {
    const id = this.id(json, path);
    const action = this.text(json, 'action', path);
    const fields: Fields = {};
    const registry = this.text(this.object(json, 'request', path), 'host', `${path}request.`);
    if (registry !== undefined) fields.registry = registry;
    const target = this.object(json, 'target', path);
    if (target !== undefined) this.#target(fields, target, `${path}target.`, action);
    if (target !== undefined && action?.startsWith('chart_')) this.#chart(fields, target, `${path}target.`);
    const timestamp = this.text(json, 'timestamp', path);
    if (timestamp !== undefined) fields.timestamp = timestamp;
    return { id, action, fields };
  }

  text(from: JsonObject | undefined, key: string, path: string, grammar: Grammar = TEXT): string | undefined {
    return this.fitting(this.#string(from, key, path), path + key, grammar);
  }

  /** Undefined, and an issue, where the text does not fit. */
  fitting(value: string | undefined, path: string, { test, expected }: Grammar): string | undefined {
    if (value === undefined || test(value)) return value;
    this.issues.push({ path, expected, received: 'another text' });
    return undefined;
  }

  /** Undefined if it is longer than other texts or not printable: an event without an id is given one. */
  id(from: JsonObject, path: string): string | undefined {
    const id = this.#string(from, 'id', path);
    return id !== undefined && TEXT.test(id) ? id : undefined;
  }

  #string(from: JsonObject | undefined, key: string, path: string): string | undefined {
    const value = from === undefined ? undefined : own(from, key);
    if (value === undefined || value === null || value === '') return undefined;
    if (typeof value === 'string') return value;
    this.issues.push(issue(path + key, 'a string', value));
    return undefined;
  }

  object(from: JsonObject, key: string, path: string): JsonObject | undefined {
    const value = own(from, key);
    if (value === undefined || value === null) return undefined;
    if (isObject(value)) return value;
    this.issues.push(issue(path + key, 'an object', value));
    return undefined;
  }

  /** One `if` for each field: assigning to computed names takes a tenth of the time of decoding. */
  #target(fields: Fields, target: JsonObject, at: string, action: string | undefined): void {
    const repository = this.text(target, 'repository', at, REPOSITORY);
    if (repository !== undefined) fields.repository = repository;
    const tag = this.text(target, 'tag', at, action?.startsWith('chart_') ? CHART_TAG : TAG_OR_DIGEST);
    // Azure does not document the `tag` of a push by digest. If it is the digest, it has a colon, which no tag has.
    if (tag !== undefined && !tag.includes(':')) fields.tag = tag;
    const digest = this.text(target, 'digest', at, DIGEST);
    if (digest !== undefined) fields.digest = digest;
    const mediaType = this.text(target, 'mediaType', at);
    if (mediaType === undefined) return;
    fields.mediaType = mediaType;
    const manifest = MANIFESTS.get(mediaType);
    if (manifest !== undefined) fields.manifest = manifest;
  }

  #chart(fields: Fields, target: JsonObject, at: string): void {
    put(fields, 'chart', this.text(target, 'name', at));
    put(fields, 'chartVersion', this.text(target, 'version', at)?.replace(/\.tgz$/, '') || undefined);
  }
}

export function put<N extends keyof Fields>(fields: Fields, name: N, value: Fields[N] | undefined): void {
  if (value !== undefined) fields[name] = value;
}

export function actionOf(text: string | undefined): Action | undefined {
  return ACTIONS.find((each) => each === text);
}

/** Whether it is a known media type of manifests. */
export function isManifest(mediaType: string): boolean {
  return MANIFESTS.has(mediaType);
}
