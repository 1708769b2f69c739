import { hash } from 'node:crypto';
import type { RegistryEvent } from '../model/registry-event.ts';
import { comparableRegistry } from '../model/registry-name.ts';

/** For how long, and in which respect, events of the same content are taken for one. */
export interface ContentWindow {
  readonly ms: number;
  /** Whether what replicas in several regions tell of one push is one event, or as many as there are regions. */
  readonly regions: 'together' | 'apart';
}

/**
 * The same for every event that tells of the same registry, repository, action, tag and digest: 32 hex characters. Undefined
 * where it is not known what was pushed or deleted, and where.
 */
export function contentKey(event: RegistryEvent, regions: ContentWindow['regions']): string | undefined {
  const { registry, repository, action, tag, digest, region } = event;
  if (registry === undefined || repository === undefined || digest === undefined) return undefined;
  const place = regions === 'apart' ? region?.toLowerCase() : undefined;
  const parts = [comparableRegistry(registry), repository, action, tag, digest, place];
  return hash('sha256', JSON.stringify(parts)).slice(0, 32);
}
