import { html } from 'hono/html';
import { printable } from '../../model/printable.ts';
import type { KeptEvent } from '../../model/registry-event.ts';

/** A part of a page. `html` escapes everything that is put into it, unless that is such a part itself. */
export type Html = ReturnType<typeof html>;

type Named = Pick<KeptEvent, 'repository' | 'chart' | 'chartVersion' | 'tag' | 'digest'>;

/** What an event is about, as one text: `team/app:v1`, or with the digest where there is no tag. */
export function subjectOf({ repository, chart, chartVersion, tag, digest }: Named): string {
  const name = repository ?? chart ?? '(no repository)';
  const version = tag ?? chartVersion;
  if (version !== undefined) return printable(`${name}:${version}`);
  return printable(digest === undefined ? name : `${name}@${digest.slice(0, 19)}…`);
}

/** A moment, in UTC and to the second; epoch milliseconds. */
export function instant(at: number): Html {
  const iso = new Date(at).toISOString();
  return html`<time datetime="${iso}">${iso.slice(0, 10)} ${iso.slice(11, 19)}</time>`;
}

const UNITS = [
  [86_400_000, 'd'],
  [3_600_000, 'h'],
  [60_000, 'min'],
  [1_000, 's'],
] as const;

/** The largest unit alone: `25 ms`, `4 min`, `3 d`. */
export function duration(ms: number): string {
  const [size, unit] = UNITS.find(([each]) => ms >= each) ?? [1, 'ms'];
  return `${Math.floor(Math.max(0, ms) / size)} ${unit}`;
}

/** `1,234` */
export function count(value: number): string {
  return value.toLocaleString('en-US');
}

/** `1 event`, `2 events` */
export function counted(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? '' : 's'}`;
}

const BYTE_UNITS = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'] as const;

/** `1.5 MiB` */
export function bytes(value: number): string {
  const power = value < 1 ? 0 : Math.min(BYTE_UNITS.length - 1, Math.floor(Math.log2(value) / 10));
  const rounded = (value / 1024 ** power).toLocaleString('en-US', { maximumFractionDigits: 1 });
  return `${rounded} ${BYTE_UNITS[power]}`;
}

/** Names with their values; those that are undefined are left out. */
export function facts(all: Readonly<Record<string, Html | string | undefined>>): Html {
  const known = Object.entries(all).filter(([, value]) => value !== undefined);
  return html`<dl class="facts">${known.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
}
