import { html } from 'hono/html';
import type { RedeliveryJob } from '../../journal/journal.ts';
import { count, counted, type Html, instant } from './display.ts';
import { inWords } from './filter-texts.ts';
import type { Viewer } from './layout.ts';

export function redeliveriesPage(jobs: readonly RedeliveryJob[], { mayOperate }: Viewer): Html {
  const none = html`<p class="card">Nothing was redelivered by a filter yet. Search for <a href="/events">events</a>, then choose “Redeliver everything that matches”.</p>`;
  return html`<div id="jobs" data-live="stats">${jobs.length === 0 ? none : jobs.map((job) => jobCard(job, mayOperate))}</div>`;
}

const TONES: Readonly<Record<RedeliveryJob['state'], string>> = { running: 'busy', done: 'good', canceled: '' };

function jobCard(job: RedeliveryJob, mayOperate: boolean): Html {
  const { id, filter, by, at, state, matches, redelivered, skipped } = job;
  const cancel = html`<form method="post" action="/redeliveries/${id}/cancel"><button class="danger">Cancel</button></form>`;
  return html`<section class="card" aria-label="Redelivery ${id}"><h2>${inWords(filter)} <span class="badge ${TONES[state]}">${state}</span></h2>
<progress max="${Math.max(1, matches)}" value="${redelivered + skipped}" aria-label="Progress"></progress>
<p>${count(redelivered)} of ${counted(matches, 'event')} redelivered${skipped > 0 ? `, ${count(skipped)} skipped` : ''}. <span class="dim">Started ${instant(at)} UTC by ${by}.</span></p>
${mayOperate && state === 'running' && cancel}</section>`;
}
