import { isIP } from 'node:net';
import * as v from 'valibot';
import { notesOf, type Text, text, textThat } from './schema.ts';

export interface Subnet {
  readonly address: string;
  readonly prefix: number;
  readonly family: 'ipv4' | 'ipv6';
}

export type JournalLocation =
  | { readonly kind: 'sqlite'; readonly path: string }
  | { readonly kind: 'memory' }
  | { readonly kind: 'postgres' };

const LABEL = '[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?';
const HOST_NAME = new RegExp(`^${LABEL}(?:\\.${LABEL})*$`, 'i');

/** Go's strconv.ParseBool, as v0.4.1 read them. */
const BOOLS = new Map(
  [true, false].flatMap((value) =>
    (value ? ['1', 't', 'T', 'TRUE', 'true', 'True'] : ['0', 'f', 'F', 'FALSE', 'false', 'False']).map(
      (text): [string, boolean] => [text, value],
    ),
  ),
);

const BYTE_UNITS = new Map([
  ['', 1],
  ['kB', 1e3],
  ['KB', 1e3],
  ['MB', 1e6],
  ['GB', 1e9],
  ['KiB', 2 ** 10],
  ['MiB', 2 ** 20],
  ['GiB', 2 ** 30],
  ['TiB', 2 ** 40],
]);

const DURATION_UNITS = new Map([
  ['ms', 1],
  ['', 1000],
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
]);

export const bool: Text<boolean> = text('`true` or `false`', (given) => BOOLS.get(given));

export const port: Text<number> = text('a whole number from 0 to 65535', (given) =>
  within(quantity(given, new Map([['', 1]])), 0, 65_535),
);

export const path: Text<string> = textThat('a path', (given) => !given.includes('\0'));

export const bindAddress: Text<string> = textThat(
  'an IP address or a host name',
  (given) => isIP(given) > 0 || HOST_NAME.test(given),
);

/** Returned without a trailing slash. It may hold no credentials, which would end up in logs. */
export const httpUrl: Text<string> = text(
  'an `http://` or `https://` URL without credentials, query and fragment',
  parseHttpUrl,
);

/** `0.25` */
export const share: Text<number> = text('a number from 0 to 1', (given) => {
  const value = /^[01](\.\d{1,9})?$/.test(given) ? Number(given) : 2;
  return value <= 1 ? value : undefined;
});

/** Returned as the plain address. */
export const cloudEventsUrl: Text<string> = text(
  'a `cloudevents+http://` or `cloudevents+https://` URL without credentials, query and fragment',
  (given) => (given.startsWith('cloudevents+') ? parseHttpUrl(given.slice('cloudevents+'.length)) : undefined),
);

/** What can stand in a header. `${X}` and `$(X)` are references that were not resolved, never a secret. */
export const secretText: Text<string> = v.pipe(
  textThat(
    'a secret of visible ASCII characters, not an unresolved reference',
    (given) => /^[\x20-\x7e]+$/.test(given) && !/^\$[{(]/.test(given),
  ),
  v.metadata({ isSecret: true }),
);

export const journalUrl: Text<JournalLocation> = text('`sqlite:PATH` or `memory:`', (given) => {
  if (given === 'memory:') return { kind: 'memory' };
  if (/^postgres(ql)?:\/\//.test(given)) return { kind: 'postgres' };
  // `sqlite://data/x` is a relative path to some programs and an absolute one to others. `:memory:` and `file:` mean
  // something else to SQLite than a file's path.
  const file = /^sqlite:(?:\/\/(?=\/))?(?!\/\/|:|file:)([^?#\0]+)$/.exec(given)?.[1];
  return file === undefined ? undefined : { kind: 'sqlite', path: file };
});

export function byteSize(limits: { readonly min: string; readonly max: string }): Text<number> {
  const [min, max] = [limits.min, limits.max].map((limit) => quantity(limit, BYTE_UNITS));
  return text(`a size such as \`256MiB\`, from ${limits.min} to ${limits.max}`, (given) =>
    within(quantity(given, BYTE_UNITS), min, max),
  );
}

/** Milliseconds. */
export function duration(limits: { readonly max: string }): Text<number> {
  const max = quantity(limits.max, DURATION_UNITS);
  return text(`a duration such as \`10s\`, of at most ${limits.max}`, (given) =>
    within(quantity(given, DURATION_UNITS), 0, max),
  );
}

export function commaSeparated<T>(item: Text<T>): Text<readonly T[]> {
  return text(`a list, separated by commas, each ${notesOf(item).expected}`, (given) => {
    const parts = given === '' ? [] : given.split(',').map((part) => v.safeParse(item, part.trim()));
    const items = parts.flatMap((part) => (part.success ? [part.output] : []));
    return items.length === parts.length ? items : undefined;
  });
}

/** As a `Host` header has it, in lower case and without the port. */
export const hostHeader: Text<string> = text('a host name, an IPv4 address or an IPv6 address in brackets', (given) => {
  const address = /^\[(.+)\]$/.exec(given)?.[1];
  const isKnown = address === undefined ? HOST_NAME.test(given) : isIP(address) === 6;
  return isKnown ? given.toLowerCase() : undefined;
});

export const subnet: Text<Subnet> = text('an IP address or a CIDR block', (given) => {
  const [address = '', bits, ...rest] = given.split('/');
  const version = isIP(address);
  if (version === 0 || rest.length > 0) return undefined;
  const most = version === 4 ? 32 : 128;
  const prefix = bits === undefined ? most : within(quantity(bits, new Map([['', 1]])), 0, most);
  return prefix === undefined ? undefined : { address, prefix, family: version === 4 ? 'ipv4' : 'ipv6' };
});

function parseHttpUrl(given: string): string | undefined {
  const url = URL.parse(given);
  if (url === null || !/^https?:$/.test(url.protocol) || url.href.includes('@')) return undefined;
  return /[?#]/.test(given) ? undefined : url.href.replace(/\/+$/, '');
}

function quantity(given: string, units: ReadonlyMap<string, number>): number | undefined {
  const [, digits, unit = ''] = /^(\d{1,16}) ?([A-Za-z]*)$/.exec(given) ?? [];
  const factor = units.get(unit);
  return digits === undefined || factor === undefined ? undefined : Number(digits) * factor;
}

function within(value: number | undefined, min = 0, max = Number.MAX_SAFE_INTEGER): number | undefined {
  return value !== undefined && value >= min && value <= max ? value : undefined;
}
