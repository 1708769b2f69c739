import type { eventOf, summaryOf } from '../admin/api/answers.ts';
import type { RecordState } from '../journal/journal.ts';
import { printable } from '../model/printable.ts';
import { type Column, Table } from './table.ts';
import { jsonLines } from './terminal.ts';

/** An event as the admin API lists it. */
export type EventSummary = ReturnType<typeof summaryOf>;

/** One event with everything that is known of it. */
export type EventDetails = ReturnType<typeof eventOf>;

/** The table of a list. One of dead letters shows since when and why they are; in every other, each event has its state. */
export function eventTable(state: RecordState | undefined): Table<EventSummary> {
  const seq: Column<EventSummary> = { title: 'SEQ', cell: (each) => each.seq };
  const event: readonly Column<EventSummary>[] = [
    { title: 'ACTION', cell: (each) => each.event.action },
    { title: 'IMAGE', cell: (each) => imageOf(each.event), isCut: true },
  ];
  if (state === 'dead-lettered') {
    return new Table({
      columns: [
        seq,
        { title: 'DEAD-LETTERED', cell: ({ deadLetter }) => toSecond(deadLetter?.at) },
        { title: 'REASON', cell: ({ deadLetter }) => deadLetter?.reason ?? '' },
        ...event,
      ],
      note: { title: 'DETAIL', cell: ({ deadLetter }) => deadLetter?.detail ?? '' },
    });
  }
  return new Table({
    columns: [
      seq,
      { title: 'RECEIVED', cell: ({ receivedAt }) => toSecond(receivedAt) },
      { title: 'STATE', cell: stateOf },
      ...event,
    ],
    note: { title: 'DETAIL', cell: noteOf },
  });
}

/** Without its fraction. */
function toSecond(time = ''): string {
  return time.replace(/\.\d+/, '');
}

function stateOf({ state, unmatched }: Pick<EventSummary, 'state' | 'unmatched'>): string {
  return unmatched === true ? 'unmatched' : state;
}

function noteOf({ state, deadLetter, discarded, attemptCount }: EventSummary): string {
  if (discarded !== undefined) return `by ${discarded.by}`;
  if (deadLetter !== undefined) return `${deadLetter.reason}: ${deadLetter.detail}`;
  return state === 'pending' && attemptCount > 0 ? `attempts: ${attemptCount}` : '';
}

/** `example.azurecr.io/team/app:v1` */
function imageOf({ registry = '(no registry)', repository, tag, digest }: EventSummary['event']): string {
  const image = [registry, repository].filter((part) => part !== undefined).join('/');
  const version = tag === undefined ? digest && `@${digest.slice(0, 'sha256:'.length + 12)}` : `:${tag}`;
  return `${image}${version ?? ''}`;
}

/** Everything about one event, the payload last. */
export function describeEvent(details: EventDetails): readonly string[] {
  const { event, deadLetter, discarded, whyNot, dueAt, headers, attempts, payload, raw } = details;
  const facts: readonly (readonly [string, string | undefined])[] = [
    ['event', `${details.seq}`],
    ['what', `${event.action} ${imageOf(event)}`],
    ['state', `${stateOf(details)}${dueAt === undefined ? '' : `, due at ${dueAt}`}`],
    ['reason', deadLetter && `${deadLetter.reason} since ${deadLetter.at}: ${deadLetter.detail}`],
    ['discarded', discarded && `by ${discarded.by} at ${discarded.at}`],
    ['why not', whyNot?.reason],
    ...(whyNot?.nearest ?? []).map((each) => ['', each] as const),
    ['received', `${details.receivedAt} from ${details.caller} as ${details.format}`],
    ['id', event.id],
    ['digest', event.digest],
    ['region', event.region],
    ['timestamp', event.timestamp],
    ...Object.entries(headers).map(([name, value]) => ['header', `${name}: ${value}`] as const),
  ];
  return [
    ...facts.flatMap(([name, text]) => (text === undefined ? [] : [printable(`${name.padEnd(9)}  ${text}`)])),
    ...attempts.flatMap(attemptLines),
    '',
    ...(raw === undefined ? [] : ['received as', jsonLines(raw), '', 'payload']),
    jsonLines(payload),
  ];
}

function attemptLines({
  at,
  durationMs,
  delivery,
  decision,
  outcome,
}: EventDetails['attempts'][number]): readonly string[] {
  const { created = [], note = '' } = outcome.kind === 'delivered' ? outcome : {};
  const text = outcome.kind === 'delivered' ? note : outcome.detail;
  const again = delivery === 1 ? '' : `, delivery ${delivery}`;
  const end = decision === 'complete' ? '' : `, ${decision}`;
  return [
    printable(
      `attempt    ${at}  ${outcome.kind} in ${Math.round(durationMs)} ms${again}${end}${text === '' ? '' : `: ${text}`}`,
    ),
    ...created.map(({ id, project }) => printable(`created    ${id}  ${project}`)),
  ];
}
