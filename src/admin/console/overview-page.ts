import { html } from 'hono/html';
import { printable } from '../../model/printable.ts';
import type { Minute } from '../../observe/activity.ts';
import type { DeliveriesState, Overview } from '../operator.ts';
import { chart, type Series } from './chart.ts';
import { count, counted, duration, type Html, instant } from './display.ts';
import type { Viewer } from './layout.ts';

const SERIES: readonly (Pick<Series, 'name' | 'tone'> & {
  readonly of: Exclude<keyof Minute, 'at'>;
  readonly link: string;
})[] = [
  { name: 'Received', tone: 'plain', of: 'received', link: '/events?from=1h' },
  { name: 'Delivered', tone: 'good', of: 'delivered', link: '/events?from=1h&state=delivered' },
  { name: 'Dead-lettered', tone: 'bad', of: 'deadLettered', link: '/dead-letters?from=1h' },
  { name: 'Turned away', tone: 'busy', of: 'turnedAway', link: '/turned-away' },
];

export function overviewPage(overview: Overview, { mayOperate }: Viewer): Html {
  const { minutes, deliveries } = overview;
  return html`<div id="overview" data-live="stats">
<div class="cards">${SERIES.map(({ name, tone, of, link }) => lastHour({ name, tone, perMinute: minutes.map((each) => each[of]) }, link))}</div>
<div class="cards">${backlog(overview)}${deadLetters(overview)}${sink(deliveries)}</div>
${callers(overview)}
</div>
${mayOperate && deliveries.paused === undefined && pauseForm()}`;
}

function lastHour(series: Series, link: string): Html {
  const sum = series.perMinute.reduce((total, each) => total + each, 0);
  return html`<section class="card"><h2><a href="${link}">${series.name}</a></h2>
<p class="figure">${count(sum)}</p><p class="dim">in the last hour, by minute</p>${chart(series)}</section>`;
}

function backlog({ at, journal: { pending, oldestPendingAt } }: Overview): Html {
  const age = oldestPendingAt === undefined ? 'nothing waits' : `the oldest waits ${duration(at - oldestPendingAt)}`;
  return html`<section class="card"><h2><a href="/events?state=pending">Pending</a></h2><p class="figure">${count(pending)}</p><p class="dim">${age}</p></section>`;
}

function deadLetters({ at, journal: { deadLetters: kept, oldestDeadLetterAt } }: Overview): Html {
  const age = oldestDeadLetterAt === undefined ? 'none' : `the oldest is ${duration(at - oldestDeadLetterAt)} old`;
  return html`<section class="card"><h2><a href="/dead-letters">Dead letters</a></h2><p class="figure">${count(kept)}</p><p class="dim">${age}</p></section>`;
}

function sink({ paused, breaker, held, limit, sink: last }: DeliveriesState): Html {
  const [tone, state] =
    paused !== undefined ? ['busy', 'paused'] : breaker === 'open' ? ['bad', 'stopped'] : ['good', 'delivering'];
  const answer = last?.detail === undefined ? '' : html`<p class="dim">${printable(last.detail)}</p>`;
  return html`<section class="card"><h2>Deliveries</h2><p class="figure"><span class="badge ${tone}">${state}</span></p>
<p class="dim">${counted(held, 'attempt')} under way, at most ${limit}</p>${answer}</section>`;
}

function callers({ callers: all }: Overview): Html {
  const rows = all.map(
    ({ name, received = 0, turnedAway = 0, lastAt }) =>
      html`<tr><td class="break"><a href="/events?${new URLSearchParams({ caller: name })}">${printable(name)}</a></td><td class="num">${count(received)}</td><td class="num">${count(turnedAway)}</td><td>${lastAt === undefined ? 'never' : instant(lastAt)}</td></tr>`,
  );
  return html`<section class="card"><h2>Callers</h2><table>
<thead><tr><th>Name</th><th class="num">Received</th><th class="num">Turned away</th><th>Last seen (UTC)</th></tr></thead><tbody>${rows}</tbody></table>
<p class="dim">Since the gateway started.</p></section>`;
}

function pauseForm(): Html {
  return html`<details class="card"><summary>Pause deliveries…</summary>
<form method="post" action="/deliveries/pause"><p>Webhooks are still accepted, and their events wait until you resume deliveries. The pause survives a restart.</p>
<button class="danger">Pause deliveries</button></form></details>`;
}
