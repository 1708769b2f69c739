import { html } from 'hono/html';
import type { JournalRecord, RecordedAttempt } from '../../journal/journal.ts';
import type { Outcome } from '../../model/delivery.ts';
import { printable, printableLines } from '../../model/printable.ts';
import type { WhyNot } from '../../model/why-not.ts';
import type { Message } from '../../sink/sink.ts';
import type { EventDetails } from '../operator.ts';
import { bytes, counted, duration, facts, type Html, instant } from './display.ts';
import { stateBadge } from './event-list.ts';
import type { Viewer } from './layout.ts';

export function eventPage({ record, message, whyNot }: EventDetails, { mayOperate }: Viewer): Html {
  return html`<div id="event" data-live="event">
<section class="card" aria-label="Event">${about(record)}${mayOperate && actions(record)}</section>
<section class="card"><h2>What happened</h2>${timeline(record)}</section>
${whyNot && reasons(whyNot)}
${createdEvents(record)}
</div>
${payload(record)}
${headers(record.headers)}
${message && request(message)}`;
}

function about(record: JournalRecord): Html {
  const { seq, receivedAt, caller, format, delivery, dueAt, event } = record;
  const optional = (text: string | undefined) => (text === undefined ? undefined : printable(text));
  return facts({
    State: stateBadge(record),
    Received: html`${instant(receivedAt)} UTC`,
    'Due again': dueAt === undefined ? undefined : html`${instant(dueAt)} UTC`,
    Number: html`${seq}`,
    Action: event.action,
    Registry: optional(event.registry),
    Repository: optional(event.repository),
    Tag: optional(event.tag),
    Chart: optional(event.chart),
    'Chart version': optional(event.chartVersion),
    Digest: event.digest === undefined ? undefined : html`<code>${printable(event.digest)}</code>`,
    'Media type': optional(event.mediaType),
    Region: optional(event.region),
    'Connected registry': optional(event.connectedRegistry),
    Caller: printable(caller),
    Format: format,
    'Event id': html`<code>${printable(event.id)}</code>`,
    'Says it happened': optional(event.timestamp),
    Delivery: html`${delivery}`,
    Trace: optional(record.traceparent),
  });
}

function actions({ seq, state }: JournalRecord): Html {
  if (state === 'pending') return html``;
  const discard = html`<details><summary>Discard…</summary>
<form method="post" action="/discards" class="row"><input type="hidden" name="seq" value="${seq}">
<span>It stays in the history, and is not counted as a dead letter any more.</span><button class="danger">Discard it</button></form></details>`;
  return html`<div class="row"><form method="post" action="/redeliveries"><input type="hidden" name="seq" value="${seq}"><button class="primary">Redeliver</button></form>
${state === 'dead-lettered' && discard}</div>`;
}

function timeline({ receivedAt, caller, attempts, deadLetter, discarded }: JournalRecord): Html {
  const entries: { readonly at: number; readonly what: Html }[] = [
    { at: receivedAt, what: html`received from ${printable(caller)}` },
    ...attempts.map((attempt) => ({ at: attempt.at, what: attempted(attempt) })),
  ];
  if (deadLetter !== undefined) {
    const { at, reason, detail } = deadLetter;
    entries.push({ at, what: html`<span class="badge bad">dead letter</span> ${reason}: ${printable(detail)}` });
  }
  if (discarded !== undefined) {
    entries.push({ at: discarded.at, what: html`<span class="badge">discarded</span> by ${discarded.by}` });
  }
  return html`<ol class="timeline">${entries.map(({ at, what }) => html`<li>${instant(at)} ${what}</li>`)}</ol>`;
}

const TONES: Readonly<Record<Outcome['kind'], string>> = {
  delivered: 'good',
  rejected: 'bad',
  unavailable: 'busy',
  uncertain: 'busy',
};

function attempted({ delivery, durationMs, outcome, decision }: RecordedAttempt): Html {
  const number = delivery > 1 ? html`, delivery ${delivery}` : '';
  const next = decision === 'retry' ? html` · <span class="dim">tried again</span>` : '';
  return html`<span class="badge ${TONES[outcome.kind]}">${outcome.kind}</span> after ${duration(durationMs)}${number}. ${answer(outcome)}${next}`;
}

function answer(outcome: Outcome): string {
  if (outcome.kind !== 'delivered') return printable(outcome.detail);
  const note = outcome.note === undefined ? '' : ` ${printable(outcome.note)}`;
  if (outcome.created === undefined) return `The sink took it.${note}`;
  return outcome.created.length === 0
    ? `No project subscribes to it.${note}`
    : `${counted(outcome.created.length, 'project')}.${note}`;
}

function createdEvents({ attempts }: JournalRecord): Html {
  const created = attempts.flatMap(({ outcome }) => (outcome.kind === 'delivered' ? (outcome.created ?? []) : []));
  if (created.length === 0) return html``;
  return html`<section class="card"><h2>Events in Brigade</h2>
<table><thead><tr><th>Project</th><th>Event</th></tr></thead>
<tbody>${created.map(({ project, id }) => html`<tr><td class="break">${printable(project)}</td><td class="break"><code>${printable(id)}</code></td></tr>`)}</tbody></table></section>`;
}

const UTF8 = new TextDecoder();

function payload({ raw, payload: range }: JournalRecord): Html {
  const text = UTF8.decode(range === undefined ? raw : raw.subarray(range.start, range.end));
  const pretty = prettyJson(text);
  return html`<section class="card"><h2>Payload</h2>
${code('The payload', pretty ?? text)}
<details><summary>As it came (${bytes(raw.length)})</summary>${code('The payload as it came', UTF8.decode(raw))}</details></section>`;
}

function prettyJson(text: string): string | undefined {
  try {
    return JSON.stringify(JSON.parse(text), undefined, 2);
  } catch {
    // What cannot be read is shown as it is.
    return undefined;
  }
}

/** Scrolls, and so can be reached with the keyboard. */
function code(label: string, text: string): Html {
  return html`<pre tabindex="0" role="region" aria-label="${label}">${printableLines(text)}</pre>`;
}

function headers(all: JournalRecord['headers']): Html {
  const rows = Object.entries(all).map(
    ([name, value]) =>
      html`<tr><th scope="row">${printable(name)}</th><td class="break"><code>${printable(value)}</code></td></tr>`,
  );
  return html`<section class="card"><h2>Headers</h2>${rows.length === 0 ? html`<p>None was kept.</p>` : html`<table><tbody>${rows}</tbody></table>`}</section>`;
}

function reasons({ reason, nearest }: WhyNot): Html {
  return html`<section class="card"><h2>Why no project subscribes to it</h2><p>${printable(reason)}</p>
${nearest.length > 0 && html`<ul>${nearest.map((each) => html`<li>${printable(each)}</li>`)}</ul>`}</section>`;
}

function request(message: Message): Html {
  if (message.kind === 'unmappable') {
    return html`<section class="card"><h2>What the sink is sent</h2><p>Nothing: ${printable(message.detail)}</p></section>`;
  }
  return html`<section class="card"><h2>What the sink is sent</h2>
${message.note !== undefined && html`<p>${printable(message.note)}</p>`}
<details><summary>The request</summary>${code('The request to the sink', prettyJson(message.body) ?? message.body)}</details></section>`;
}
