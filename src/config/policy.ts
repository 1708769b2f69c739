import * as v from 'valibot';
import type { Binding } from '../model/caller.ts';
import { isCallerName, isGlob, isRegistryName } from '../model/names.ts';
import type { CallerPolicy, EntraTenant, Policy } from '../model/policy.ts';
import { ACTIONS, MANIFEST_KINDS } from '../model/registry-event.ts';
import { comparableRegistry, comparableResource } from '../model/registry-name.ts';
import type { Rule } from '../model/rule.ts';
import { fields, listOf, named, oneOf, optional, required, text, textThat } from './schema.ts';

/** Event Grid's application in the public cloud; each sovereign cloud has another one. */
const EVENT_GRID = '4962773b-9cdb-44cf-a8bf-237846a00ab7';

const PUBLIC_AUTHORITY = 'https://login.microsoftonline.com';
const GUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const RESOURCE =
  /^\/subscriptions\/[^/\s]+\/resourcegroups\/[^/\s]+\/providers\/microsoft\.containerregistry\/registries\/[a-z0-9]+$/i;

export const callerName = textThat('a name of 1 to 128 printable characters', isCallerName);

export const registryName = textThat(
  'the login server of a registry, without a scheme, `:443` and a dot at the end',
  isRegistryName,
);

export const globs = listOf(textThat('a glob of letters, digits and `._-/*`, at most 256 characters', isGlob));

export const actions = listOf(oneOf(ACTIONS));

const shortText = textThat('a text of visible ASCII characters, at most 256', (given) =>
  /^[\x20-\x7e]{1,256}$/.test(given),
);

const guid = text('a GUID', parseGuid);

const truth = text('`true` or `false`', (given) => (/^(?:true|false)$/.test(given) ? given === 'true' : undefined));

const resource = textThat(
  '`/subscriptions/…/resourceGroups/…/providers/Microsoft.ContainerRegistry/registries/NAME`',
  (given) => RESOURCE.test(given),
);

const registry = fields({
  aliases: optional(listOf(registryName), 'Regional and custom host names of the same registry.'),
  resource: optional(resource, 'Its resource id in Azure, by which Event Grid names the registry.'),
});

const conditions = fields({
  actions: optional(actions, 'What happened.', { ifAbsent: 'any' }),
  registries: optional(globs, 'Globs on the canonical name, in lower case.', { ifAbsent: 'any' }),
  repositories: optional(globs, 'Globs: `*` within one path segment, `**` across.', { ifAbsent: 'any' }),
  tags: optional(globs, 'Globs. An event without a tag matches none.', { ifAbsent: 'any' }),
  tagged: optional(truth, 'Whether the event has a tag.', { ifAbsent: 'either' }),
  manifests: optional(listOf(oneOf(MANIFEST_KINDS)), 'Kinds of manifest, where the event has one.', {
    ifAbsent: 'any',
  }),
  regions: optional(globs, 'Azure’s names in lower case, such as `westeurope`. ACR’s own webhooks have none.', {
    ifAbsent: 'any',
  }),
});

/** A rule without a name of its own gets its place as one. */
const rule = v.pipe(
  fields({
    name: optional(callerName, 'The rule’s name in answers and logs.', { ifAbsent: 'its place' }),
    ignore: optional(conditions, 'Events that are acknowledged and not kept.', { ifAbsent: 'this or `accept`' }),
    accept: optional(conditions, 'Events that are kept, whatever later rules say.', {
      ifAbsent: 'this or `ignore`',
      expected: 'conditions, as those of `ignore`',
      isLeaf: true,
    }),
  }),
  v.partialCheck(
    [['ignore'], ['accept']],
    (given) => (given.ignore === undefined) !== (given.accept === undefined),
    'must have either `ignore` or `accept`, and not both',
  ),
  v.transform(({ name, ignore, accept }) => ({
    name,
    decision: ignore === undefined ? ('accept' as const) : ('ignore' as const),
    when: ignore ?? accept ?? {},
  })),
);

const rules = listOf(rule);

const application = text(
  '`event-grid`, which is Event Grid in the public cloud, or the GUID of an application',
  (given) => (given === 'event-grid' ? EVENT_GRID : parseGuid(given)),
);

const caller = v.pipe(
  fields({
    application: optional(application, 'The application of Entra ID that the caller is.', {
      ifAbsent: 'it has a token in the tokens file',
    }),
    role: optional(shortText, 'A role that the application’s token must have.'),
    registries: optional(
      listOf(registryName),
      'The only registries that the caller may speak for. If there is one, events that name none belong to it.',
      { ifAbsent: 'any' },
    ),
    repositories: optional(globs, 'The only repositories that the caller may speak for.', { ifAbsent: 'any' }),
    actions: optional(actions, 'The only actions that the caller may report.', { ifAbsent: 'any' }),
    rules: optional(rules, 'Rules for this caller. They come before `rules`.', {
      expected: 'a list, not empty, as `rules`',
      isLeaf: true,
    }),
  }),
  v.forward(
    v.partialCheck(
      [['application'], ['role']],
      (given) => given.role === undefined || given.application !== undefined,
      'requires `application`',
    ),
    ['role'],
  ),
  v.transform(({ application: id, role, registries, repositories, actions: allowed, rules: own = [] }) => {
    const isBound = registries !== undefined || repositories !== undefined || allowed !== undefined;
    const binding: Binding | undefined = isBound ? { registries, repositories, actions: allowed } : undefined;
    return { rules: own, binding, application: id === undefined ? undefined : { id, role } };
  }),
);

const authority = textThat('an `https://` address without a path', (given) => {
  const url = URL.parse(given);
  const isLocal = url?.protocol === 'http:' && (url.hostname === '127.0.0.1' || url.hostname === 'localhost');
  return url !== null && (url.protocol === 'https:' || isLocal) && given === url.origin;
});

const entra = v.pipe(
  fields({
    tenant: required(guid, 'The tenant whose applications may send events.'),
    audiences: required(
      listOf(shortText),
      'Audiences that a token may have: the id or App ID URI that Event Grid is configured with.',
    ),
    authority: optional(authority, 'Where the tenant’s keys are fetched.', { ifAbsent: `\`${PUBLIC_AUTHORITY}\`` }),
    issuers: optional(listOf(shortText), 'Issuers that a token may have, in clouds with names of their own.', {
      ifAbsent: 'those of versions 1 and 2 in the public cloud',
    }),
  }),
  v.transform(
    ({ tenant, audiences, authority: host = PUBLIC_AUTHORITY, issuers }): EntraTenant => ({
      tenant,
      audiences,
      authority: host,
      issuers: issuers ?? [`https://sts.windows.net/${tenant}/`, `${host}/${tenant}/v2.0`],
    }),
  ),
);

/** What the configuration file holds beside settings; the reference is made from it. */
export const policyFields = {
  registries: optional(
    named(registryName, registry),
    'Registries with several names, by the name that Brigade events carry.',
  ),
  callers: optional(
    named(callerName, caller),
    'Permissions of callers, by name. For a caller in the tokens file, both files hold.',
  ),
  entra: optional(entra, 'The tenant of Entra ID whose tokens are accepted.', {
    ifAbsent: 'no token of Entra ID is accepted',
  }),
  rules: optional(
    rules,
    'Rules for every caller, after its own. The first that matches an event decides; if none does, it is accepted.',
  ),
};

interface PolicyParts {
  readonly registries?: ReadonlyMap<string, v.InferOutput<typeof registry>> | undefined;
  readonly callers?: ReadonlyMap<string, v.InferOutput<typeof caller>> | undefined;
  readonly entra?: EntraTenant | undefined;
  readonly rules?: readonly UnnamedRule[] | undefined;
}

type UnnamedRule = v.InferOutput<typeof rule>;

export function toPolicy(parts: PolicyParts): Policy {
  return {
    registries: [...(parts.registries ?? [])].map(([name, { aliases = [], resource: id }]) => ({
      name,
      aliases,
      resource: id,
    })),
    callers: [...(parts.callers ?? [])].map(
      ([name, { rules: own, ...each }]): CallerPolicy => ({
        name,
        ...each,
        rules: namedRules(own, `callers.${name}.`),
      }),
    ),
    rules: namedRules(parts.rules ?? [], ''),
    entra: parts.entra,
  };
}

function namedRules(unnamed: readonly UnnamedRule[], above: string): readonly Rule[] {
  return unnamed.map(({ name, ...rest }, index) => ({ name: name ?? `${above}rules.${index}`, ...rest }));
}

/** One thing wrong with the policy as a whole, and where it is. */
interface Contradiction {
  readonly path: readonly string[];
  readonly message: string;
}

/** Finds names, resources and applications that two entries claim, and applications without a tenant. */
export function contradictionsIn({ registries, callers, entra: tenant }: Policy): readonly Contradiction[] {
  const names = registries.flatMap(({ name, aliases, resource: id }): readonly Claim[] => {
    const path = ['registries', name];
    return [
      [comparableRegistry(name), path],
      ...aliases.map((alias, index): Claim => [comparableRegistry(alias), [...path, 'aliases', String(index)]]),
      ...(id === undefined ? [] : [[comparableResource(id), [...path, 'resource']] as const]),
    ];
  });
  const applications = callers.flatMap(({ name, application: id }) =>
    id === undefined ? [] : [[`${id.id} ${id.role ?? ''}`, ['callers', name, 'application']] as const],
  );
  const withoutTenant = tenant === undefined ? applications : [];
  return [
    ...duplicatesIn(names),
    ...duplicatesIn(applications),
    ...withoutTenant.map(([, path]) => ({ path, message: 'requires `entra`' })),
  ];
}

/** Something that only one entry may have, and where it stands. */
type Claim = readonly [what: string, path: readonly string[]];

function duplicatesIn(claims: readonly Claim[]): readonly Contradiction[] {
  const owners = new Map<string, readonly string[]>();
  return claims.flatMap(([what, path]) => {
    const owner = owners.get(what);
    owners.set(what, path);
    return owner === undefined ? [] : [{ path, message: `must not repeat that of ${owner.join('.')}` }];
  });
}

function parseGuid(given: string): string | undefined {
  return GUID.test(given) ? given.toLowerCase() : undefined;
}
