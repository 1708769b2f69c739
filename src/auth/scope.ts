import type { Binding, Caller } from '../model/caller.ts';
import { matchesGlob } from '../model/glob.ts';
import type { RegistryEvent } from '../model/registry-event.ts';
import { comparableRegistry, comparableResource, type Registries, registriesOf } from '../model/registry-name.ts';
import type { Issue } from '../model/webhook.ts';

export type Scope =
  /** The event has the canonical name of its registry, if that is known. */
  | { readonly kind: 'in-scope'; readonly event: RegistryEvent }
  | { readonly kind: 'out-of-scope'; readonly issue: Issue };

const NO_REGISTRIES = registriesOf([]);

/** Checks an event against its caller's bindings, and gives it the canonical name of its registry. Pure. */
export function scopeOf(caller: Caller, event: RegistryEvent): Scope {
  if (caller.bindings === undefined && caller.registries === undefined) return { kind: 'in-scope', event };
  const { bindings = [], registries = NO_REGISTRIES } = caller;
  const named = namesIn(event, registries);
  const bound = boundRegistries(bindings, registries);
  const fitting = bound?.filter((name) => isNamed(name, named, registries));
  const issue = registryIssue(bound, fitting) ?? firstIssue(bindings, event);
  if (issue !== undefined) return { kind: 'out-of-scope', issue };
  const registry = fitting === undefined ? freeName(named, registries) : boundName(fitting, bound, named);
  return { kind: 'in-scope', event: registry === undefined ? event : { ...event, registry } };
}

/** Whether the caller may send events of any registry. */
export function isUnbound({ bindings = [] }: Caller): boolean {
  return bindings.every(({ registries }) => registries === undefined);
}

/** The registries that the configuration names for the caller, by the names that its events then carry. */
export function registriesOfCaller({ bindings = [], registries = NO_REGISTRIES }: Caller): readonly string[] {
  const bound = bindings.flatMap(({ registries: names = [] }) => names.map((name) => canonical(name, registries)));
  return [...bound, ...[...registries.byHost.values()].map(({ name }) => name)];
}

/** The names by which an event refers to its registry. */
interface Names {
  /** Canonical if the registry is configured, else as the event has it. */
  readonly host?: string;
  /** Canonical. Absent when the event has no resource, or one that is not configured. */
  readonly byResource?: string;
  readonly hasResource: boolean;
}

function namesIn({ registry, resource }: RegistryEvent, registries: Registries): Names {
  const byResource = resource === undefined ? undefined : registries.byResource.get(comparableResource(resource))?.name;
  return {
    hasResource: resource !== undefined,
    ...(registry === undefined ? {} : { host: canonical(registry, registries) }),
    ...(byResource === undefined ? {} : { byResource }),
  };
}

function canonical(host: string, { byHost }: Registries): string {
  return byHost.get(comparableRegistry(host))?.name ?? host;
}

/** The registries that every binding allows. Undefined when no binding names any. */
function boundRegistries(bindings: readonly Binding[], registries: Registries): readonly string[] | undefined {
  const lists = bindings.flatMap(({ registries: names }) =>
    names === undefined ? [] : [names.map((name) => canonical(name, registries))],
  );
  const [first, ...others] = lists;
  return first?.filter((name) => others.every((list) => list.some((other) => isSame(name, other))));
}

/** Whether every name in the event is that of this registry. */
function isNamed(name: string, { host, byResource, hasResource }: Names, registries: Registries): boolean {
  if (host !== undefined && !isSame(name, host)) return false;
  if (byResource !== undefined) return isSame(name, byResource);
  return !hasResource || registries.byHost.get(comparableRegistry(name))?.resource === undefined;
}

/**
 * Events of legacy charts and of connected registries have no host. They belong to the registry that their caller is bound to.
 * When that is one of several, and the event does not name it, it stays unknown.
 */
function boundName(
  fitting: readonly string[],
  bound: readonly string[] | undefined,
  { host, byResource }: Names,
): string | undefined {
  const isKnown = host !== undefined || byResource !== undefined || bound?.length === 1;
  return isKnown ? fitting[0] : undefined;
}

/** A client may push under a host name that is not configured. Then the resource is the better evidence. */
function freeName({ host, byResource }: Names, { byHost }: Registries): string | undefined {
  const isListed = host !== undefined && byHost.has(comparableRegistry(host));
  return isListed ? host : (byResource ?? host);
}

function registryIssue(
  bound: readonly string[] | undefined,
  fitting: readonly string[] | undefined,
): Issue | undefined {
  if (fitting === undefined || fitting.length > 0) return undefined;
  return { path: 'registry', expected: bound?.join(' or ') || 'none at all', received: 'another registry' };
}

function firstIssue(bindings: readonly Binding[], event: RegistryEvent): Issue | undefined {
  for (const binding of bindings) {
    const issue = issueOf(binding, event);
    if (issue !== undefined) return issue;
  }
  return undefined;
}

function issueOf({ repositories, actions }: Binding, event: RegistryEvent): Issue | undefined {
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

function isSame(one: string, other: string): boolean {
  return comparableRegistry(one) === comparableRegistry(other);
}
