import { createHash } from 'node:crypto';
import type { NewRecord } from '../../src/journal/journal.ts';
import type { Attempt, Claim, Outcome } from '../../src/model/delivery.ts';
import type { RegistryEvent } from '../../src/model/registry-event.ts';

/** The deduplication key of the event of that name: 32 hex characters. */
export function aKey(name: string): string {
  return createHash('sha256').update(name).digest('hex').slice(0, 32);
}

/** A push whose event id is its name. */
export function aRegistryEvent(name: string): RegistryEvent {
  return {
    id: name,
    action: 'push',
    registry: 'example.azurecr.io',
    repository: 'team/hello-world',
    tag: 'v1',
    digest: `sha256:${createHash('sha256').update(name).digest('hex')}`,
    mediaType: 'application/vnd.docker.distribution.manifest.v2+json',
    manifest: 'single',
    timestamp: '2025-09-01T12:00:00.1234567Z',
  };
}

/** The first claim of the push of that name. */
export function aClaim(name: string, changes: Partial<Claim> = {}): Claim {
  return {
    seq: 1,
    fence: 1,
    delivery: 1,
    receivedAt: 0,
    caller: 'ci',
    history: { attempts: 0, uncertain: 0, agesFrom: 0, lastAttemptAt: 0 },
    event: aRegistryEvent(name),
    payload: '{"action":"push"}',
    ...changes,
  };
}

/** The record of the push of that name; records of one name have one key. */
export function aRecord(name: string, receivedAt: number, changes: Partial<NewRecord> = {}): NewRecord {
  const event = aRegistryEvent(name);
  return {
    dedupKey: aKey(name),
    receivedAt,
    format: 'acr',
    caller: 'ci',
    headers: { 'content-type': 'application/json' },
    raw: new TextEncoder().encode(JSON.stringify({ id: event.id, action: event.action })),
    event,
    ...changes,
  };
}

/** A record for the dead letters: its registry is not known. */
export function aDeadLetter(name: string, receivedAt: number, changes: Partial<NewRecord> = {}): NewRecord {
  const deadLetter = { reason: 'no-registry', detail: 'request.host is absent' } as const;
  return aRecord(name, receivedAt, { deadLetter, ...changes });
}

/** A record of so many bytes. */
export function aLargeRecord(name: string, receivedAt: number, bytes: number): NewRecord {
  return aRecord(name, receivedAt, { raw: new Uint8Array(bytes).fill(0x61) });
}

export const DELIVERED: Outcome = { kind: 'delivered', created: [{ id: 'created-1', project: 'hello' }] };
export const UNMATCHED: Outcome = { kind: 'delivered', created: [] };
export const REJECTED: Outcome = { kind: 'rejected', detail: 'label repo is not legal' };
export const UNAVAILABLE: Outcome = { kind: 'unavailable', detail: 'ECONNREFUSED', retryAfterMs: 2_000 };
export const UNCERTAIN: Outcome = { kind: 'uncertain', detail: '500' };

export function anAttempt(at: number, outcome: Outcome): Attempt {
  return { at, durationMs: 25, outcome };
}
