import { isIP } from 'node:net';

/** How the text of a setting is read. */
export interface TextType<T> {
  /** Completes "expected …". */
  readonly expected: string;
  /** Pure; undefined where the text is not of this type. */
  readonly parse: (text: string) => T | undefined;
}

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

export const bool: TextType<boolean> = {
  expected: '`true` or `false`',
  parse: (text) => BOOLS.get(text),
};

export const port: TextType<number> = {
  expected: 'a whole number from 0 to 65535',
  parse: (text) => within(quantity(text, new Map([['', 1]])), 0, 65_535),
};

export const path: TextType<string> = {
  expected: 'a path',
  parse: (text) => (text.includes('\0') ? undefined : text),
};

export const bindAddress: TextType<string> = {
  expected: 'an IP address or a host name',
  parse: (text) => (isIP(text) > 0 || HOST_NAME.test(text) ? text : undefined),
};

/** Given back without a trailing slash. Credentials in it would end up in logs, so there may be none. */
export const httpUrl: TextType<string> = {
  expected: 'an `http://` or `https://` URL without credentials, query and fragment',
  parse: (text) => {
    const url = URL.parse(text);
    if (url === null || !/^https?:$/.test(url.protocol) || url.href.includes('@')) return undefined;
    return /[?#]/.test(text) ? undefined : url.href.replace(/\/+$/, '');
  },
};

/** Given back as the plain address. */
export const cloudEventsUrl: TextType<string> = {
  expected: 'a `cloudevents+http://` or `cloudevents+https://` URL without credentials, query and fragment',
  parse: (text) => (text.startsWith('cloudevents+') ? httpUrl.parse(text.slice('cloudevents+'.length)) : undefined),
};

/** What can stand in a header. `${X}` and `$(X)` are references that nobody resolved, never a secret. */
export const secretText: TextType<string> = {
  expected: 'a secret of visible ASCII characters, not an unresolved reference',
  parse: (text) => (/^[\x20-\x7e]+$/.test(text) && !/^\$[{(]/.test(text) ? text : undefined),
};

export const journalUrl: TextType<JournalLocation> = {
  expected: '`sqlite:PATH` or `memory:`',
  parse: (text) => {
    if (text === 'memory:') return { kind: 'memory' };
    if (/^postgres(ql)?:\/\//.test(text)) return { kind: 'postgres' };
    // `sqlite://data/x` is read by half the world as a relative path and by the other half as an absolute one. `:memory:`
    // and `file:` mean something else to SQLite than a file's path.
    const file = /^sqlite:(?:\/\/(?=\/))?(?!\/\/|:|file:)([^?#\0]+)$/.exec(text)?.[1];
    return file === undefined ? undefined : { kind: 'sqlite', path: file };
  },
};

export function byteSize(limits: { readonly min: string; readonly max: string }): TextType<number> {
  const [min, max] = [limits.min, limits.max].map((limit) => quantity(limit, BYTE_UNITS));
  return {
    expected: `a size such as \`256MiB\`, from ${limits.min} to ${limits.max}`,
    parse: (text) => within(quantity(text, BYTE_UNITS), min, max),
  };
}

/** Milliseconds. */
export function duration(limits: { readonly max: string }): TextType<number> {
  const max = quantity(limits.max, DURATION_UNITS);
  if (max === undefined) throw new Error(`no duration: ${limits.max}`);
  return {
    expected: `a duration such as \`10s\`, of at most ${limits.max}`,
    parse: (text) => within(quantity(text, DURATION_UNITS), 0, max),
  };
}

export function oneOf<const T extends string>(values: readonly T[]): TextType<T> {
  return {
    expected: `one of ${values.map((value) => `\`${value}\``).join(', ')}`,
    parse: (text) => values.find((value) => value === text),
  };
}

export function listOf<T>(item: TextType<T>): TextType<readonly T[]> {
  return {
    expected: `a list, separated by commas, each ${item.expected}`,
    parse: (text) => {
      const parts = text === '' ? [] : text.split(',');
      const items = parts.map((part) => item.parse(part.trim())).filter((parsed) => parsed !== undefined);
      return items.length === parts.length ? items : undefined;
    },
  };
}

/** As a `Host` header writes it, in lower case and without the port. */
export const hostHeader: TextType<string> = {
  expected: 'a host name, an IPv4 address or an IPv6 address in brackets',
  parse: (text) => {
    const address = /^\[(.+)\]$/.exec(text)?.[1];
    const known = address === undefined ? HOST_NAME.test(text) : isIP(address) === 6;
    return known ? text.toLowerCase() : undefined;
  },
};

export const subnet: TextType<Subnet> = {
  expected: 'an IP address or a CIDR block',
  parse: (text) => {
    const [address = '', bits, ...rest] = text.split('/');
    const version = isIP(address);
    if (version === 0 || rest.length > 0) return undefined;
    const most = version === 4 ? 32 : 128;
    const prefix = bits === undefined ? most : within(quantity(bits, new Map([['', 1]])), 0, most);
    return prefix === undefined ? undefined : { address, prefix, family: version === 4 ? 'ipv4' : 'ipv6' };
  },
};

function quantity(text: string, units: ReadonlyMap<string, number>): number | undefined {
  const [, digits, unit = ''] = /^(\d{1,16}) ?([A-Za-z]*)$/.exec(text) ?? [];
  const factor = units.get(unit);
  return digits === undefined || factor === undefined ? undefined : Number(digits) * factor;
}

function within(value: number | undefined, min = 0, max = Number.MAX_SAFE_INTEGER): number | undefined {
  return value !== undefined && value >= min && value <= max ? value : undefined;
}
