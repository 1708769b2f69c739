import { ACTIONS, type Action, type ManifestKind, type RegistryEvent } from '../model/registry-event.ts';
import type { Issue } from '../model/webhook.ts';
import { isObject, issue, type JsonObject, own } from './json.ts';

/** Characters. A longer id counts as absent. */
const MAX_ID_LENGTH = 256;

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

/**
 * Reads the fields that the gateway uses, and collects their issues. Absent, null and empty are the same. A field that is present
 * must have the right type: it is better to report an event as unreadable than to deliver it with wrong fields.
 */
export class FieldReader {
  readonly issues: Issue[] = [];

  /** A native ACR object, in any format. Azure's API description calls each of its fields optional. */
  native(json: JsonObject, path = ''): NativeFields {
    const id = this.text(json, 'id', path);
    const action = this.text(json, 'action', path);
    const fields: Fields = {};
    const registry = this.text(this.object(json, 'request', path), 'host', `${path}request.`);
    if (registry !== undefined) fields.registry = registry;
    const target = this.object(json, 'target', path);
    if (target !== undefined) this.#target(fields, target, `${path}target.`);
    if (target !== undefined && action?.startsWith('chart_')) this.#chart(fields, target, `${path}target.`);
    const timestamp = this.text(json, 'timestamp', path);
    if (timestamp !== undefined) fields.timestamp = timestamp;
    return { id: usableId(id), action, fields };
  }

  text(from: JsonObject | undefined, key: string, path: string): string | undefined {
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
  #target(fields: Fields, target: JsonObject, at: string): void {
    const repository = this.text(target, 'repository', at);
    if (repository !== undefined) fields.repository = repository;
    const tag = this.text(target, 'tag', at);
    // Azure does not document the `tag` of a push by digest. If it is the digest, it has a colon, which no tag has.
    if (tag !== undefined && !tag.includes(':')) fields.tag = tag;
    const digest = this.text(target, 'digest', at);
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

/** Undefined if it is too long. */
export function usableId(id: string | undefined): string | undefined {
  return id === undefined || id.length > MAX_ID_LENGTH ? undefined : id;
}

export function actionOf(text: string | undefined): Action | undefined {
  return ACTIONS.find((each) => each === text);
}

/** Whether it is a known media type of manifests. */
export function isManifest(mediaType: string): boolean {
  return MANIFESTS.has(mediaType);
}
