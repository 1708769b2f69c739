import { hash } from 'node:crypto';
import type { Action } from '../model/registry-event.ts';
import type { Issue } from '../model/webhook.ts';
import { type DecodedEvent, nothing, type RawEvent } from './decoder.ts';
import { actionOf, FieldReader, type Fields, type NativeFields, put } from './field-reader.ts';
import { ENVELOPE_TEXT, REPOSITORY, TAG } from './grammar.ts';
import { isObject, issue, type JsonObject, parseText, stringify } from './json.ts';

/** What Event Grid puts around a native ACR object, in either of its schemas. */
export interface Envelope {
  readonly id: string | undefined;
  readonly type: string | undefined;
  /** `topic`, or `source`. */
  readonly source: string | undefined;
  readonly subject: string | undefined;
  readonly time: string | undefined;
  readonly data: unknown;
  /** The path of `data` in issues, such as `[3].data`. */
  readonly path: string;
  readonly subjectPath: string;
  /** The issues of the envelope itself. */
  readonly issues: readonly Issue[];
  /** The event alone, with this native object as its data. */
  readonly raw: (data: unknown) => RawEvent;
}

/** Of event types. Samples up to 2020 lack it; captures, and the documentation of today, have it. */
const PREFIX = 'Microsoft.ContainerRegistry.';

const ACTIONS_BY_TYPE: ReadonlyMap<string, Action> = new Map([
  ['ImagePushed', 'push'],
  ['ImageDeleted', 'delete'],
  ['ChartPushed', 'chart_push'],
  ['ChartDeleted', 'chart_delete'],
]);

const UNSUBSCRIBED = 'Microsoft.EventGrid.SubscriptionDeletedEvent';

/** The event in an envelope. One that is not of ACR is ignored, whatever its issues. */
export function decodeEnvelope(envelope: Envelope): DecodedEvent {
  const { type = '', path } = envelope;
  if (type === UNSUBSCRIBED) return nothing('unsubscribed', type, envelope.id);
  const data = nativeOf(envelope.data);
  const reader = new FieldReader();
  const native = isObject(data) ? reader.native(data, `${path}.`) : NO_FIELDS;
  const action = native.action === undefined ? actionOfType(type) : actionOf(native.action);
  const knownId = native.id ?? envelope.id;
  if (action === undefined) return nothing('unknown-action', native.action ?? type, knownId);
  const raw = envelope.raw(data);
  const fields = azureFields(envelope, data, { ...native, action }, reader);
  const issues = [...envelope.issues, ...reader.issues, ...dataIssues(data, raw, path)];
  const event = { id: knownId ?? hash('sha256', raw.bytes), action, ...fields };
  return issues.length > 0 ? { kind: 'unreadable', event, issues, raw } : { kind: 'event', event, raw };
}

const NO_FIELDS: NativeFields = { id: undefined, action: undefined, fields: {} };

function actionOfType(type: string): Action | undefined {
  return ACTIONS_BY_TYPE.get(type.startsWith(PREFIX) ? type.slice(PREFIX.length) : type);
}

function dataIssues(data: unknown, { bytes }: RawEvent, path: string): readonly Issue[] {
  if (!isObject(data)) return [issue(path, 'an object, or one as JSON in a string', data)];
  return bytes.byteLength === 0 ? [issue(path, 'less nesting', data)] : [];
}

/** Azure has sent `data` as JSON in a string, in both schemas, although CloudEvents does not allow it. */
function nativeOf(data: unknown): unknown {
  return typeof data === 'string' ? (parseText(data) ?? data) : data;
}

function azureFields(
  { source, subject, subjectPath, time, path }: Envelope,
  data: unknown,
  { action, fields: known }: NativeFields,
  reader: FieldReader,
): Omit<Fields, 'id' | 'action'> {
  const fields: Fields = { ...known };
  if (!isObject(data)) return fields;
  if (known.timestamp === undefined) put(fields, 'timestamp', time);
  put(fields, 'region', reader.text(data, 'location', `${path}.`));
  const [, resource, connected] = RESOURCE.exec(source ?? '') ?? [];
  put(fields, 'resource', resource);
  put(fields, 'connectedRegistry', connectedRegistry(data, reader, path) ?? connected);
  if (fields.repository === undefined && action !== 'chart_push' && action !== 'chart_delete') {
    const [, repository, tag] = SUBJECT.exec(subject ?? '') ?? [];
    put(fields, 'repository', reader.fitting(repository, subjectPath, REPOSITORY));
    if (action !== 'delete' && fields.tag === undefined) put(fields, 'tag', reader.fitting(tag, subjectPath, TAG));
  }
  return fields;
}

/** The resource of a registry in Azure, and after it in some topics the name of a connected registry. */
const RESOURCE =
  /^(\/subscriptions\/[^/]+\/resourceGroups\/[^/]+\/providers\/Microsoft\.ContainerRegistry\/registries\/[^/]+)(?:\/connectedRegistries\/([^/]+))?$/i;

/** `repository:tag`, or only a repository. Azure does not document it for a push by digest, so another `:` or an `@` does not match. */
const SUBJECT = /^([^:@]+)(?::([\w][\w.-]*))?$/;

/** Azure's API description writes `connectedRegistry`, the quickstart of ACR `connectedregistry`. */
function connectedRegistry(data: JsonObject, reader: FieldReader, path: string): string | undefined {
  const key = Object.keys(data).find((each) => each.toLowerCase() === 'connectedregistry');
  if (key === undefined) return undefined;
  return reader.text(reader.object(data, key, `${path}.`), 'name', `${path}.connectedRegistry.`);
}

/** An event written again with `data` at its end, so that the place of `data` is known. No bytes if it is nested too deep. */
export function rawEvent(attributes: JsonObject, data: unknown): RawEvent {
  const before = stringify(attributes)?.slice(0, -1);
  if (data === undefined) return { bytes: Buffer.from(before === undefined ? '' : `${before}}`) };
  const payload = stringify(data);
  if (before === undefined || payload === undefined) return { bytes: Buffer.alloc(0) };
  const bytes = Buffer.from(`${before}${before === '{' ? '' : ','}"data":${payload}}`);
  const end = bytes.byteLength - 1;
  return isObject(data) ? { bytes, payload: { start: end - Buffer.byteLength(payload), end } } : { bytes };
}

/** The fields of an envelope that are text. */
export function readEnvelope(
  json: JsonObject,
  names: Readonly<Record<'type' | 'source' | 'time', string>>,
  path: string,
): Pick<Envelope, 'id' | 'type' | 'source' | 'subject' | 'subjectPath' | 'time' | 'path'> & {
  readonly issues: Issue[];
} {
  const reader = new FieldReader();
  return {
    id: reader.id(json, path),
    type: reader.text(json, names.type, path, ENVELOPE_TEXT),
    source: reader.text(json, names.source, path, ENVELOPE_TEXT),
    subject: reader.text(json, 'subject', path, ENVELOPE_TEXT),
    subjectPath: `${path}subject`,
    time: reader.text(json, names.time, path),
    path: `${path}data`,
    issues: reader.issues,
  };
}

/** An element of a batch that is not an event of either schema. */
export function unreadableEvent(value: unknown, path: string): DecodedEvent {
  const bytes = Buffer.from(stringify(value) ?? '');
  const issues = [issue(path, 'an Event Grid event or a CloudEvent', value)];
  return { kind: 'unreadable', event: { id: hash('sha256', bytes), action: 'unreadable' }, issues, raw: { bytes } };
}
