import { html } from 'hono/html';
import type { EventFilter } from '../../journal/journal.ts';
import { printable } from '../../model/printable.ts';
import type { Redelivery } from '../../receive/redeliver.ts';
import { LIMITS } from '../limits.ts';
import type { Discarding } from '../operator.ts';
import { counted, type Html } from './display.ts';
import { inWords, textsOf } from './filter-texts.ts';

export type Changed = (Redelivery & { readonly seq: number }) | Discarding;

type Sentences = { readonly [K in Changed['kind']]: (result: Extract<Changed, { kind: K }>) => string };

const SENTENCES: Sentences = {
  redelivered: () => 'will be delivered again',
  unknown: () => 'there is no such event; it may have been pruned',
  pending: () => 'waits for its delivery already',
  ignored: ({ rule }) => `the rule ${rule} ignores it; nothing changed`,
  undeliverable: ({ detail }) => `${printable(detail)}; nothing changed`,
  discarded: () => 'discarded',
  'no-dead-letter': () => 'is not a dead letter; nothing changed',
};

/** What became of each event of a selection. */
export function changesPage(results: readonly Changed[]): Html {
  return html`<section class="card" aria-label="Results"><table><thead><tr><th>Event</th><th>Result</th></tr></thead>
<tbody>${results.map((each) => html`<tr><td><a href="/events/${each.seq}">${each.seq}</a></td><td>${sentence(each)}</td></tr>`)}</tbody></table></section>`;
}

function sentence<K extends Changed['kind']>(result: Extract<Changed, { kind: K }>): string {
  const write: (result: Extract<Changed, { kind: K }>) => string = SENTENCES[result.kind];
  return write(result);
}

export interface BulkParts {
  readonly change: 'redeliveries' | 'discards';
  readonly filter: EventFilter;
  /** How many events it finds now. */
  readonly matches: number;
}

/** Shows what a change of everything that matches would do, and asks. */
export function bulkPage({ change, filter, matches }: BulkParts): Html {
  const hidden = Object.entries(textsOf(filter)).map(
    ([name, value]) => html`<input type="hidden" name="${name}" value="${value}">`,
  );
  return html`<form method="post" action="/${change}/new" class="card stacked">${hidden}
<p>The filter: <strong>${inWords(filter)}</strong></p>
${change === 'redeliveries' ? redeliveryFields(matches) : discardFields(matches)}
</form>`;
}

function redeliveryFields(matches: number): Html {
  return html`<p>It finds <strong>${counted(matches, 'event')}</strong> that can be delivered again. Projects that got an event before get it once more.</p>
<label>Events a second <input type="number" name="perSecond" min="1" max="${LIMITS.maxPerSecond}" value="${LIMITS.defaultPerSecond}" required></label>
<button class="primary">Redeliver ${counted(matches, 'event')}</button>`;
}

function discardFields(matches: number): Html {
  return html`<p>It finds <strong>${counted(matches, 'dead letter')}</strong>. Discarded, they stay in the history like delivered events, and are not counted as dead letters any more. At most ${counted(LIMITS.maxDiscarded, 'dead letter')} are discarded at once.</p>
<button class="danger">Discard ${counted(Math.min(matches, LIMITS.maxDiscarded), 'dead letter')}</button>`;
}
