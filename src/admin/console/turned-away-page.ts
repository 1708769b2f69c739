import { html } from 'hono/html';
import type { KeptSample, TurnedAwayCount } from '../../journal/journal.ts';
import { printable } from '../../model/printable.ts';
import { count, type Html, instant, subjectOf } from './display.ts';

export function turnedAwayPage(counts: readonly TurnedAwayCount[], samples: readonly KeptSample[]): Html {
  return html`<div id="turned-away" data-live="stats">
<section class="card"><h2>In the last 24 hours</h2>${countTable(summed(counts))}</section>
<section class="card"><h2>The newest</h2>${sampleTable(samples)}</section>
</div>
<p class="dim">A webhook is turned away when it is rejected. An event is turned away when it was kept before, or is ignored.</p>`;
}

type Sum = Omit<TurnedAwayCount, 'minute'>;

/** Over all minutes, the largest first. */
function summed(counts: readonly TurnedAwayCount[]): readonly Sum[] {
  const groups = Object.values(Object.groupBy(counts, ({ reason, caller }) => JSON.stringify([reason, caller])));
  const sums = groups.flatMap((group = []) =>
    group.slice(0, 1).map((first): Sum => ({ ...first, count: group.reduce((sum, each) => sum + each.count, 0) })),
  );
  return sums.toSorted((one, other) => other.count - one.count);
}

function countTable(counts: readonly Sum[]): Html {
  if (counts.length === 0) return html`<p>Nothing was turned away.</p>`;
  const rows = counts.map(
    (each) =>
      html`<tr><td>${each.reason}</td><td>${each.caller === undefined ? html`<span class="dim">unknown</span>` : printable(each.caller)}</td><td class="num">${count(each.count)}</td></tr>`,
  );
  return html`<table><thead><tr><th>Reason</th><th>Caller</th><th class="num">Webhooks or events</th></tr></thead><tbody>${rows}</tbody></table>`;
}

function sampleTable(samples: readonly KeptSample[]): Html {
  if (samples.length === 0) return html`<p>Nothing was turned away.</p>`;
  return html`<table>
<thead><tr><th class="wide">At (UTC)</th><th>Reason</th><th class="num wide">Status</th><th class="wide">Caller</th><th class="wide">From</th><th>What could be read</th></tr></thead>
<tbody>${samples.map(sampleRow)}</tbody></table>`;
}

function sampleRow({ at, reason, status, caller, remoteAddress, event, detail }: KeptSample): Html {
  const subject = event === undefined ? '' : subjectOf(event);
  return html`<tr><td class="wide">${instant(at)}</td><td>${reason}<div class="narrow dim">${instant(at)}</div></td><td class="num wide">${status}</td><td class="wide">${printable(caller ?? '')}</td><td class="wide">${printable(remoteAddress ?? '')}</td><td class="break">${printable(event?.action ?? '')} ${subject} <span class="dim">${printable(detail ?? '')}</span></td></tr>`;
}
