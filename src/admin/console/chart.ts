import { html } from 'hono/html';
import { count, type Html } from './display.ts';

export interface Series {
  readonly name: string;
  /** A class of the stylesheet, which gives the color. */
  readonly tone: 'good' | 'busy' | 'bad' | 'plain';
  /** One number for each minute, the oldest first. */
  readonly perMinute: readonly number[];
}

const BAR = { width: 4, gap: 1, height: 40 };

/** A bar for each minute; the highest takes the whole height. The numbers are also said in words. */
export function chart({ name, tone, perMinute }: Series): Html {
  const highest = Math.max(1, ...perMinute);
  const width = perMinute.length * (BAR.width + BAR.gap);
  const bars = perMinute.map((value, index) => {
    const height = value === 0 ? 0 : Math.max(1, (value / highest) * BAR.height);
    return html`<rect x="${index * (BAR.width + BAR.gap)}" y="${BAR.height - height}" width="${BAR.width}" height="${height}"/>`;
  });
  return html`<svg class="chart ${tone}" viewBox="0 0 ${width} ${BAR.height}" preserveAspectRatio="none" fill="currentColor" role="img" aria-label="${inWords(name, perMinute)}">${bars}</svg>`;
}

function inWords(name: string, perMinute: readonly number[]): string {
  const last = perMinute.at(-1) ?? 0;
  return `${name} per minute over ${perMinute.length} minutes: at most ${count(Math.max(0, ...perMinute))}, ${count(last)} in the last minute`;
}
