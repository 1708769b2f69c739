import type { Binding } from '../model/caller.ts';
import { isCallerName, isGlob, isRegistryName } from '../model/names.ts';
import type { CallerPolicy, EntraTenant, Policy } from '../model/policy.ts';
import { ACTIONS, MANIFEST_KINDS } from '../model/registry-event.ts';
import { comparableRegistry, comparableResource, type NamedRegistry } from '../model/registry-name.ts';
import type { Rule } from '../model/rule.ts';
import {
  type Complain,
  listOf,
  mapOf,
  may,
  must,
  type Path,
  record,
  refined,
  type Shape,
  scalar,
  truth,
} from './shape.ts';
import { oneOf, type TextType } from './text-types.ts';

/** Event Grid's own, in the public cloud; it has another one in each sovereign cloud. */
const EVENT_GRID = '4962773b-9cdb-44cf-a8bf-237846a00ab7';

const PUBLIC_AUTHORITY = 'https://login.microsoftonline.com';
const GUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const RESOURCE =
  /^\/subscriptions\/[^/\s]+\/resourcegroups\/[^/\s]+\/providers\/microsoft\.containerregistry\/registries\/[a-z0-9]+$/i;

function textType(expected: string, isFit: (text: string) => boolean): TextType<string> {
  return { expected, parse: (text) => (isFit(text) ? text : undefined) };
}

const registryName = textType(
  'the login server of a registry, without a scheme, `:443` and a dot at the end',
  isRegistryName,
);
const callerName = textType('a name of 1 to 128 printable characters', isCallerName);
const globs = listOf(scalar(textType('a glob of letters, digits and `._-/*`, at most 256 characters', isGlob)));
const actions = listOf(scalar(oneOf(ACTIONS)));
const shortText = textType('a text of visible ASCII characters, at most 256', (text) =>
  /^[\x20-\x7e]{1,256}$/.test(text),
);
const guid: TextType<string> = {
  expected: 'a GUID',
  parse: (text) => (GUID.test(text) ? text.toLowerCase() : undefined),
};

/** The reference tells its fields once. */
function toldElsewhere<T>(shape: Shape<T>, expected: string): Shape<T> {
  return { ...shape, expected, rows: [] };
}

const registry = record({
  aliases: may(listOf(scalar(registryName)), 'Regional and custom host names of the same registry.'),
  resource: may(
    scalar(
      textType('`/subscriptions/…/resourceGroups/…/providers/Microsoft.ContainerRegistry/registries/NAME`', (text) =>
        RESOURCE.test(text),
      ),
    ),
    'Its resource id in Azure: Event Grid names the registry by it.',
  ),
});

const conditions = record({
  actions: may(actions, 'What happened.', 'any'),
  registries: may(globs, 'Globs on the canonical name, in lower case.', 'any'),
  repositories: may(globs, 'Globs: `*` within one path segment, `**` across.', 'any'),
  tags: may(globs, 'Globs. An event without a tag matches none.', 'any'),
  tagged: may(truth, 'Whether the event has a tag.', 'either'),
  manifests: may(listOf(scalar(oneOf(MANIFEST_KINDS))), 'Kinds of manifest, where the event tells it.', 'any'),
  regions: may(globs, 'Azure’s names in lower case, such as `westeurope`. ACR’s own webhooks tell none.', 'any'),
});

const rule = refined(
  record({
    name: may(scalar(callerName), 'Stands in the answer and in the log.', 'its place'),
    ignore: may(conditions, 'Events that are acknowledged and not kept.', 'this or `accept`'),
    accept: may(
      toldElsewhere(conditions, 'conditions, as those of `ignore`'),
      'Events that are kept, whatever later rules say.',
      'this or `ignore`',
    ),
  }),
  ({ name = '', ignore, accept }, path, complain): Rule | undefined => {
    const when = ignore ?? accept;
    if (when === undefined || (ignore !== undefined && accept !== undefined)) {
      return complain(path, { expected: 'either ignore or accept', received: when === undefined ? 'neither' : 'both' });
    }
    return { name: name || path.join('.'), decision: ignore === undefined ? 'accept' : 'ignore', when };
  },
);

const caller = refined(
  record({
    application: may(
      scalar({
        expected: '`event-grid`, which is Event Grid in the public cloud, or the GUID of an application',
        parse: (text) => (text === 'event-grid' ? EVENT_GRID : guid.parse(text)),
      }),
      'He proves to be this application of Entra ID.',
      'he has a token in the tokens file',
    ),
    role: may(scalar(shortText), 'What has to be among the roles in the application’s token.'),
    registries: may(
      listOf(scalar(registryName)),
      'He may speak for no others; an event that names none is of the only one.',
      'any',
    ),
    repositories: may(globs, 'He may speak for no others.', 'any'),
    actions: may(actions, 'He may tell of no others.', 'any'),
    rules: may(toldElsewhere(listOf(rule), 'a list, not empty, as `rules`'), 'Come before those for everybody.'),
  }),
  (read, path, complain): Omit<CallerPolicy, 'name'> | undefined => {
    const { application: id, role, rules = [], registries, repositories, actions: allowed } = read;
    if (role !== undefined && id === undefined) {
      return complain([...path, 'role'], { expected: 'an application beside it', received: 'none' });
    }
    const isBound = registries !== undefined || repositories !== undefined || allowed !== undefined;
    const binding: Binding | undefined = isBound ? { registries, repositories, actions: allowed } : undefined;
    return { rules, binding, application: id === undefined ? undefined : { id, role } };
  },
);

const authority = textType('an `https://` address without a path', (text) => {
  const url = URL.parse(text);
  const isLocal = url?.protocol === 'http:' && (url.hostname === '127.0.0.1' || url.hostname === 'localhost');
  return url !== null && (url.protocol === 'https:' || isLocal) && text === url.origin;
});

const entra = refined(
  record({
    tenant: must(scalar(guid), 'The tenant whose applications may send.'),
    audiences: must(
      listOf(scalar(shortText)),
      'What tokens have to be for: the id or App ID URI that Event Grid was told.',
    ),
    authority: may(scalar(authority), 'Where the tenant’s keys are fetched.', `\`${PUBLIC_AUTHORITY}\``),
    issuers: may(
      listOf(scalar(shortText)),
      'Who has to have issued tokens, in clouds with names of their own.',
      'those of versions 1 and 2 in the public cloud',
    ),
  }),
  ({ tenant, audiences, authority: host = PUBLIC_AUTHORITY, issuers }): EntraTenant => ({
    tenant,
    audiences,
    authority: host,
    issuers: issuers ?? [`https://sts.windows.net/${tenant}/`, `${host}/${tenant}/v2.0`],
  }),
);

/** What the configuration file says beside settings; the reference is made from it. */
export const policyFields = {
  registries: may(
    mapOf(registryName, registry),
    'Registries with several names, by the name that events are to carry.',
  ),
  callers: may(
    mapOf(callerName, caller),
    'Who may send what. A caller of that name in the tokens file is held to both.',
  ),
  entra: may(entra, 'Whose tokens of Entra ID are believed.', 'nobody’s'),
  rules: may(
    listOf(rule),
    'For every caller, after his own: the first that matches an event decides; if none does, it is accepted.',
  ),
};

interface PolicyParts {
  readonly registries:
    | ReadonlyMap<string, { readonly aliases: readonly string[] | undefined; readonly resource: string | undefined }>
    | undefined;
  readonly callers: ReadonlyMap<string, Omit<CallerPolicy, 'name'>> | undefined;
  readonly entra: EntraTenant | undefined;
  readonly rules: readonly Rule[] | undefined;
}

/** Puts the parts together, and complains of what contradicts. */
export function toPolicy(parts: PolicyParts, complain: Complain): Policy {
  const registries = [...(parts.registries ?? [])].map(
    ([name, { aliases = [], resource }]): NamedRegistry => ({ name, aliases, resource }),
  );
  const callers = [...(parts.callers ?? [])].map(([name, each]) => ({ name, ...each }));
  rejectDuplicates(registries.flatMap(namesOf), complain);
  rejectDuplicates(callers.flatMap(proofsOf), complain);
  for (const { name, application } of callers) {
    if (application === undefined || parts.entra !== undefined) continue;
    complain(['callers', name, 'application'], { expected: 'entra to be there as well', received: 'nothing' });
  }
  return { registries, callers, rules: parts.rules ?? [], entra: parts.entra };
}

/** Something that only one may have, and where it stands. */
type Claim = readonly [what: string, path: Path];

function namesOf({ name, aliases, resource }: NamedRegistry): readonly Claim[] {
  const path = ['registries', name];
  return [
    [comparableRegistry(name), path],
    ...aliases.map((alias, index): Claim => [comparableRegistry(alias), [...path, 'aliases', String(index)]]),
    ...(resource === undefined ? [] : [[comparableResource(resource), [...path, 'resource']] as const]),
  ];
}

function proofsOf({ name, application }: CallerPolicy): readonly Claim[] {
  if (application === undefined) return [];
  return [[`${application.id} ${application.role ?? ''}`, ['callers', name, 'application']]];
}

function rejectDuplicates(claims: readonly Claim[], complain: Complain): void {
  const owners = new Map<string, Path>();
  for (const [what, path] of claims) {
    const owner = owners.get(what);
    if (owner !== undefined) complain(path, { expected: 'one of its own', received: `that of ${owner.join('.')}` });
    owners.set(what, path);
  }
}
