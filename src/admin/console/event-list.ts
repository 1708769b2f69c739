import { html } from 'hono/html';
import { RECORD_STATES, type RecordState, type RecordSummary } from '../../journal/journal.ts';
import { printable } from '../../model/printable.ts';
import { ACTIONS } from '../../model/registry-event.ts';
import { FORMATS } from '../../model/webhook.ts';
import { type Html, instant, subjectOf } from './display.ts';
import type { FilterTexts } from './filter-texts.ts';
import type { Viewer } from './layout.ts';

export interface EventListParts {
  /** `dead-letters` shows reasons, and offers to discard. */
  readonly list: 'events' | 'dead-letters';
  /** The parameters of the address. */
  readonly texts: FilterTexts;
  /** What is wrong with the filter. */
  readonly issues: readonly string[];
  readonly records: readonly RecordSummary[];
  /** The cursor of the page after this one. */
  readonly next?: number | undefined;
  readonly viewer: Viewer;
}

const TONES: Readonly<Record<RecordState, string>> = {
  pending: 'busy',
  delivered: 'good',
  'dead-lettered': 'bad',
  discarded: '',
};

export function stateBadge({ state, unmatched }: Pick<RecordSummary, 'state' | 'unmatched'>): Html {
  return unmatched === true
    ? html`<span class="badge busy">unmatched</span>`
    : html`<span class="badge ${TONES[state]}">${state}</span>`;
}

export function eventList(parts: EventListParts): Html {
  const { list, texts, issues, next, viewer } = parts;
  const { mayOperate } = viewer;
  return html`${filterForm(list, texts)}
<div id="list" data-live="event">
${issues.map((issue) => html`<p class="notice bad" role="alert">${issue}</p>`)}
<form method="post" action="/redeliveries" class="card">${table(parts)}
<div class="row">
${mayOperate && selectionButtons(list)}
${next !== undefined && html`<a class="button" href="${address(list, { ...texts, cursor: String(next) })}">Older</a>`}
${texts['cursor'] !== undefined && html`<a class="button" href="${address(list, without(texts, 'cursor'))}">Newest</a>`}
</div>
</form>
${mayOperate && bulkLinks(list, texts)}
</div>`;
}

function table({ list, records, viewer: { mayOperate } }: EventListParts): Html {
  if (records.length === 0) return html`<p>No event matches.</p>`;
  const selectAll = html`<th><input type="checkbox" data-select-all class="only-live" aria-label="Select all on this page"></th>`;
  return html`<table>
<thead><tr>${mayOperate && selectAll}<th class="wide">Received (UTC)</th><th>Event</th><th class="wide">Registry</th><th class="wide">Caller</th><th>${list === 'events' ? 'State' : 'Reason'}</th></tr></thead>
<tbody>${records.map((each) => row(each, list, mayOperate))}</tbody>
</table>`;
}

function row(summary: RecordSummary, list: EventListParts['list'], mayOperate: boolean): Html {
  const { seq, receivedAt, caller, event, deadLetter } = summary;
  const box = html`<td><input type="checkbox" name="seq" value="${seq}" aria-label="Select event ${seq}"></td>`;
  const state =
    list === 'events' || deadLetter === undefined
      ? stateBadge(summary)
      : html`<span class="badge bad">${deadLetter.reason}</span> <span class="wide break">${printable(deadLetter.detail)}</span>`;
  return html`<tr>${mayOperate && box}
<td class="wide">${instant(receivedAt)}</td>
<td class="break">${event.action} <a href="/events/${seq}">${subjectOf(event)}</a><div class="narrow dim">${instant(receivedAt)}</div></td>
<td class="wide">${printable(event.registry ?? '')}</td>
<td class="wide">${printable(caller)}</td>
<td>${state}</td></tr>`;
}

function selectionButtons(list: EventListParts['list']): Html {
  return html`<button>Redeliver the selected</button>
${list === 'dead-letters' && html`<button class="danger" formaction="/discards">Discard the selected</button>`}`;
}

function bulkLinks(list: EventListParts['list'], texts: FilterTexts): Html {
  const conditions = list === 'events' ? texts : { ...texts, state: 'dead-lettered' };
  const query = new URLSearchParams(without(conditions, 'cursor', 'limit'));
  if (query.size === 0) return html``;
  return html`<p><a href="/redeliveries/new?${query}">Redeliver everything that matches…</a></p>
${list === 'dead-letters' && html`<p><a href="/discards/new?${query}">Discard everything that matches…</a></p>`}`;
}

function address(list: EventListParts['list'], texts: FilterTexts): string {
  return `/${list}?${new URLSearchParams(texts)}`;
}

function without(texts: FilterTexts, ...names: readonly string[]): Record<string, string> {
  return Object.fromEntries(Object.entries(texts).filter(([each]) => !names.includes(each)));
}

function filterForm(list: EventListParts['list'], texts: FilterTexts): Html {
  const field = (name: string, label: string, placeholder = '') =>
    html`<label>${label} <input name="${name}" value="${texts[name] ?? ''}" placeholder="${placeholder}" autocomplete="off"></label>`;
  const choice = (name: string, label: string, values: readonly string[]) =>
    html`<label>${label} <select name="${name}">${['', ...values].map((value) => option(value, texts[name] ?? ''))}</select></label>`;
  const isDetailed = RARE_CONDITIONS.some((name) => texts[name] !== undefined);
  return html`<search><form method="get" action="/${list}" class="card" data-search aria-label="Filter">
<div class="filters">
${field('repository', 'Repository', 'team/*')}
${list === 'events' && choice('state', 'State', RECORD_STATES)}
${field('tag', 'Tag')}
${field('from', 'From', '1h')}
${field('until', 'Until', '2026-01-31T14:00Z')}
</div>
<details${isDetailed ? html` open` : ''}><summary>More conditions</summary><div class="filters">
${field('registry', 'Registry')}
${field('caller', 'Caller')}
${choice('action', 'Action', ACTIONS)}
${choice('format', 'Format', FORMATS)}
${list === 'events' && choice('matched', 'A project subscribes', ['true', 'false'])}
${field('digest', 'Digest', 'sha256:…')}
${field('id', 'Event id')}
</div></details>
<div class="row"><button class="primary">Search</button><a class="button" href="/${list}">Clear</a></div>
</form></search>`;
}

const RARE_CONDITIONS = ['registry', 'caller', 'action', 'format', 'matched', 'digest', 'id'];

function option(value: string, chosen: string): Html {
  return html`<option value="${value}"${value === chosen ? html` selected` : ''}>${value || 'any'}</option>`;
}
