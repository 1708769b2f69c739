import { html } from 'hono/html';
import packageJson from '../../../package.json' with { type: 'json' };
import type { JournalStats } from '../../journal/journal.ts';
import { bytes, count, duration, facts, type Html } from './display.ts';

export interface HealthParts {
  readonly isHealthy: boolean;
  /** Undefined when ready, otherwise the reason. */
  readonly unreadiness: string | undefined;
  readonly journal: JournalStats;
}

export function healthPage({ isHealthy, unreadiness, journal }: HealthParts): Html {
  const check = (isGood: boolean, good: string, bad: string) =>
    html`<span class="badge ${isGood ? 'good' : 'bad'}">${isGood ? good : bad}</span>`;
  return html`<div id="health" data-live="stats">
<section class="card"><h2>Gateway</h2>${facts({
    Healthy: check(isHealthy, 'yes', 'no: the journal has failed for good'),
    Ready: check(unreadiness === undefined, 'yes', `no: ${unreadiness}`),
    Version: packageJson.version,
    Node: process.version,
    'Running for': duration(process.uptime() * 1000),
  })}</section>
<section class="card"><h2>Journal</h2>${facts({
    'In use': bytes(journal.bytes),
    'Pending events': count(journal.pending),
    'Dead letters': count(journal.deadLetters),
    'Discarded events': count(journal.discarded),
    'Damaged records': check(journal.damaged === 0, 'none', count(journal.damaged)),
  })}</section>
</div>
<p class="dim">Probes ask <a href="/healthz">/healthz</a> and <a href="/readyz">/readyz</a>; Prometheus asks <a href="/metrics">/metrics</a>. These need no token.</p>`;
}
