import type { Binding, Caller } from '../model/caller.ts';
import type { RegistryEvent } from '../model/registry-event.ts';
import { comparableRegistry } from '../model/registry-name.ts';
import type { Issue } from '../model/webhook.ts';
import { matchesGlob } from './glob.ts';

export type Scope =
  /** The event names the registry as the binding does, or as it did itself for a caller bound to none. */
  | { readonly kind: 'in-scope'; readonly event: RegistryEvent }
  | { readonly kind: 'out-of-scope'; readonly issue: Issue };

/** Holds an event to what its caller may speak for. Pure. */
export function scopeOf(caller: Caller, event: RegistryEvent): Scope {
  const { binding } = caller;
  if (binding === undefined) return { kind: 'in-scope', event };
  const issue = issueOf(binding, event);
  if (issue !== undefined) return { kind: 'out-of-scope', issue };
  const { registry } = binding;
  return { kind: 'in-scope', event: registry === undefined ? event : { ...event, registry } };
}

/** Legacy chart events and connected registries name no registry: such an event is of the binding's. */
function issueOf({ registry, repositories, actions }: Binding, event: RegistryEvent): Issue | undefined {
  if (registry !== undefined && event.registry !== undefined && !isSameRegistry(registry, event.registry)) {
    return { path: 'registry', expected: registry, received: 'another registry' };
  }
  if (repositories !== undefined && !isWithin(repositories, event.repository)) {
    const received = event.repository === undefined ? 'no repository' : 'another repository';
    return { path: 'repository', expected: `one that matches ${repositories.join(' or ')}`, received };
  }
  if (actions !== undefined && !actions.includes(event.action)) {
    return { path: 'action', expected: actions.join(' or '), received: event.action };
  }
  return undefined;
}

function isWithin(globs: readonly string[], repository: string | undefined): boolean {
  return repository !== undefined && globs.some((glob) => matchesGlob(glob, repository));
}

function isSameRegistry(one: string, other: string): boolean {
  return comparableRegistry(one) === comparableRegistry(other);
}
