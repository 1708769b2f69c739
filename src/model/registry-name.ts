/** One spelling for comparing: `Example.azurecr.io.:443` and `example.azurecr.io` are the same registry. */
export function comparableRegistry(registry: string): string {
  return registry.toLowerCase().replace(/:443$/, '').replace(/\.$/, '');
}

/** A registry and all its names. */
export interface NamedRegistry {
  /** Its login server, in the case that events shall carry. */
  readonly name: string;
  /** Regional and custom host names of the same registry. */
  readonly aliases: readonly string[];
  /** Its resource id in Azure, `/subscriptions/…/registries/example`, in any case: how Event Grid names it. */
  readonly resource?: string | undefined;
}

/** Finds a registry by each of its names. */
export interface Registries {
  /** By `comparableRegistry` of its name and of its aliases. */
  readonly byHost: ReadonlyMap<string, NamedRegistry>;
  /** By `comparableResource`. */
  readonly byResource: ReadonlyMap<string, NamedRegistry>;
}

export function registriesOf(list: readonly NamedRegistry[]): Registries {
  const byHost = new Map<string, NamedRegistry>();
  const byResource = new Map<string, NamedRegistry>();
  for (const registry of list) {
    for (const host of [registry.name, ...registry.aliases]) byHost.set(comparableRegistry(host), registry);
    if (registry.resource !== undefined) byResource.set(comparableResource(registry.resource), registry);
  }
  return { byHost, byResource };
}

/** One spelling for comparing. The id of a connected registry begins with the id of its parent, and counts as the parent. */
export function comparableResource(resource: string): string {
  return resource
    .toLowerCase()
    .replace(/\/connectedregistries\/.*$/s, '')
    .replace(/\/+$/, '');
}
