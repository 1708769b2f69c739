import { ADMIN_LIMITS } from '../src/admin/limits.ts';
import { DECODE_LIMITS } from '../src/decode/limits.ts';
import { LIMITS as HTTP_LIMITS } from '../src/http/limits.ts';
import { JOURNAL_LIMITS } from '../src/journal/limits.ts';
import type { Limit, LimitTable } from '../src/model/limit.ts';
import { RECEIVE_LIMITS } from '../src/receive/limits.ts';

interface Section {
  readonly title: string;
  readonly about: string;
  /** Where the limits are enforced. */
  readonly source: string;
  readonly limits: LimitTable;
}

const SECTIONS: readonly Section[] = [
  {
    title: 'Ingest port',
    about: `A client is *anonymous* until its credentials were accepted. An address is an IPv4 address, or a /64 of IPv6; behind a trusted
proxy (\`TRUSTED_PROXIES\`) it is the address that the proxy names. An anonymous connection closes with its first answer.`,
    source: 'src/http/limits.ts',
    limits: HTTP_LIMITS,
  },
  {
    title: 'Content of a webhook',
    about: 'What is beyond these limits is unreadable, unless the table says otherwise.',
    source: 'src/decode/limits.ts',
    limits: DECODE_LIMITS,
  },
  {
    title: 'Work and space for a webhook',
    about: 'What one webhook takes of the process and of the journal.',
    source: 'src/receive/limits.ts',
    limits: RECEIVE_LIMITS,
  },
  {
    title: 'Journal',
    about: `The journal commits the events of all callers together, and callers take turns to fill a commit: a caller that keeps as many
events waiting as it may delays no event of another by more than a commit.`,
    source: 'src/journal/limits.ts',
    limits: JOURNAL_LIMITS,
  },
  {
    title: 'Admin port',
    about:
      'The port for probes, metrics and the admin API. It is not for the internet: who connects to it shares these limits.',
    source: 'src/admin/limits.ts',
    limits: ADMIN_LIMITS,
  },
];

/** `docs/limits.md`: every limit, from the tables where they are enforced. */
export function limitsPage(): string {
  return `# Limits

<!-- Generated from ${SECTIONS.map(({ source }) => source).join(', ')}. Do not edit. -->

Every resource has a limit, and each party has a share of it: anonymous clients, each caller, each address. A party that
reaches its share is rejected, and the others do not notice. What remains is a reserve for those who stay within their share.
${SECTIONS.map(section).join('')}`;
}

function section({ title, about, limits }: Section): string {
  const rows = Object.entries(limits).map(([name, limit]) => row(name, limit));
  return `
## ${title}

${about}

| limit | value | what, and why | at the limit | who notices |
|---|---|---|---|---|
${rows.join('\n')}
`;
}

function row(name: string, { value, unit, about, at, affects }: Limit): string {
  return `| \`${name}\` | ${shown(value, unit)} | ${about} | ${at} | ${affects} |`;
}

const DAY_MS = 86_400_000;

function shown(value: number, unit: Limit['unit']): string {
  const number = (amount: number): string => amount.toLocaleString('en');
  if (unit === 'count') return number(value);
  if (unit === 'share') return `1/${number(1 / value)}`;
  if (unit === 'ms' && value % DAY_MS === 0) return `${number(value / DAY_MS)} days`;
  if (unit === 'ms') return value % 1000 === 0 ? `${number(value / 1000)} s` : `${number(value)} ms`;
  if (unit !== 'bytes') return `${number(value)} ${unit}`;
  const [size, name] =
    value % 2 ** 20 === 0 ? [2 ** 20, 'MiB'] : value % 2 ** 10 === 0 ? [2 ** 10, 'KiB'] : [1, 'bytes'];
  return `${number(value / size)} ${name}`;
}
