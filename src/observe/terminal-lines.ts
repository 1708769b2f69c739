import { styleText } from 'node:util';
import type { Clock } from '../model/clock.ts';
import { printable } from '../model/printable.ts';
import { imageName } from '../model/registry-event.ts';

/** For how long the line of an accepted event waits for its first attempt, to be one line with it, milliseconds. */
const HELD_MS = 1000;

/** The most lines that wait. */
const MAX_HELD = 100;

/** A line of the log, parsed. */
type Fields = Readonly<Record<string, unknown>>;

type Style = Parameters<typeof styleText>[0];

interface Held {
  readonly line: string;
  readonly cancel: () => void;
}

/**
 * Writes the lines of the log for people: one for each event, and one for everything else.
 *
 * ```
 * 14:49:50 ✓ push example-repo:v1.0.0 · accepted #1 · 6 projects · 18 ms
 * 14:49:52 ✗ no project subscribes to push other.azurecr.io/app:v1 · accepted #2 · 9 ms
 *            project hello wants the qualifier registry "example.azurecr.io", and the event has "other.azurecr.io"
 * ```
 */
export class TerminalLines {
  readonly #write: (line: string) => void;
  readonly #clock: Pick<Clock, 'after'>;
  /** The lines of accepted events, by seq. */
  readonly #held = new Map<number, Held>();

  constructor(write: (line: string) => void, clock: Pick<Clock, 'after'>) {
    this.#write = write;
    this.#clock = clock;
  }

  /** Takes one line of JSON. */
  take(json: string): void {
    const fields: Fields = JSON.parse(json);
    const { msg } = fields;
    if (msg === 'webhook.received' && listOf(fields['events']).length > 0) this.#webhook(fields);
    else if (msg === 'delivery.attempted') this.#attempt(fields);
    else if (msg === 'event.unmatched' && Array.isArray(fields['nearest'])) this.#whyNot(fields);
    else this.#other(fields);
  }

  /** Writes the lines that wait. */
  flush(): void {
    for (const seq of this.#held.keys()) this.#release(seq);
  }

  #webhook(fields: Fields): void {
    const events = listOf(fields['events']);
    for (const event of events) {
      const title = titleOf(event);
      if (event['result'] === 'accepted')
        this.#hold(Number(event['seq']), row(fields, PENDING, title, `accepted #${event['seq']}`));
      else if (event['result'] === 'dead-lettered')
        this.#write(row(fields, FAILED, title, `dead letter #${event['seq']}: ${textOf(event['reason'])}`));
      else if (event['result'] === 'duplicate')
        this.#write(row(fields, NOTHING, title, `duplicate of #${event['of']}`));
      else this.#write(row(fields, NOTHING, title, `ignored: ${textOf(event['rule'] ?? event['reason'])}`));
    }
    const more = Number(fields['eventCount'] ?? 0) - events.length;
    if (more > 0) this.#write(row(fields, NOTHING, `and ${more} more events`));
  }

  #attempt(fields: Fields): void {
    const seq = Number(fields['seq']);
    const held = this.#held.get(seq);
    held?.cancel();
    this.#held.delete(seq);
    const number = held === undefined ? `#${seq}` : `accepted #${seq}`;
    const detail = textOf(fields['detail']);
    const created = createdCount(fields);
    const ms = `${fields['delayMs'] ?? fields['durationMs']} ms`;
    const title = titleOf(fields);
    if (fields['decision'] === 'dead-letter')
      this.#write(row(fields, FAILED, title, number, `dead letter (${textOf(fields['reason'])}): ${detail}`));
    else if (fields['decision'] === 'retry')
      this.#write(
        row(
          fields,
          WAITING,
          title,
          number,
          `${textOf(fields['outcome'])}: ${detail}`,
          `again at ${timeOf(fields['retryAt'])}`,
        ),
      );
    else if (created === 0)
      this.#write(row(fields, FAILED, `no project subscribes to ${titleOf(fields, true)}`, number, ms));
    else
      this.#write(
        row(fields, DONE, title, number, created === undefined ? 'delivered' : plural(created, 'project'), ms),
      );
  }

  #whyNot({ nearest, reason }: Fields): void {
    const lines = Array.isArray(nearest) && nearest.length > 0 ? nearest : [reason];
    for (const line of lines) this.#write(styled('dim', `${INDENT}${textOf(line)}`));
  }

  #other(fields: Fields): void {
    const { level, time, msg, err, ...rest } = fields;
    const values = Object.entries(rest).map(([name, value]) => `${printable(name)}=${shown(value)}`);
    this.#write(row(fields, MARKS.get(textOf(level)) ?? NOTHING, [textOf(msg), ...values].join(' ')));
    const stack = typeof err === 'object' && err !== null && 'stack' in err ? String(err.stack) : undefined;
    for (const line of stack?.split('\n') ?? []) this.#write(styled('dim', `${INDENT}${printable(line)}`));
  }

  #hold(seq: number, line: string): void {
    if (this.#held.size >= MAX_HELD) {
      this.#write(line);
      return;
    }
    this.#held.set(seq, { line, cancel: this.#clock.after(HELD_MS, () => this.#release(seq)) });
  }

  #release(seq: number): void {
    const held = this.#held.get(seq);
    if (held === undefined) return;
    held.cancel();
    this.#held.delete(seq);
    this.#write(held.line);
  }
}

/** Below the text of the line above. */
const INDENT = ' '.repeat('14:49:50 ✓ '.length);

interface Mark {
  readonly sign: string;
  readonly style: Style;
}

const DONE: Mark = { sign: '✓', style: 'green' };
const FAILED: Mark = { sign: '✗', style: 'red' };
const WAITING: Mark = { sign: '↻', style: 'yellow' };
const PENDING: Mark = { sign: '…', style: 'yellow' };
const NOTHING: Mark = { sign: '·', style: 'dim' };

const MARKS: ReadonlyMap<string, Mark> = new Map([
  ['warn', { sign: '!', style: 'yellow' }],
  ['error', FAILED],
  ['fatal', FAILED],
]);

function row({ time }: Fields, { sign, style }: Mark, ...parts: readonly string[]): string {
  return `${styled('dim', timeOf(time))} ${styled(style, sign)} ${parts.join(' · ')}`;
}

/** Without colour where standard output is no terminal, and where `NO_COLOR` is set. */
function styled(style: Style, text: string): string {
  return styleText(style, text, { stream: process.stdout });
}

/** `push hello-world:v1` */
function titleOf({ action, registry, repository, tag, id }: Fields, withRegistry = false): string {
  const name = imageName({
    registry: withRegistry || repository === undefined ? optional(registry) : undefined,
    repository: optional(repository),
    tag: optional(tag),
  });
  return `${textOf(action)} ${name || textOf(id)}`;
}

function optional(value: unknown): string | undefined {
  return value === undefined ? undefined : textOf(value);
}

/** Undefined where the sink does not say what it created. */
function createdCount({ created, createdCount: count }: Fields): number | undefined {
  if (typeof count === 'number') return count;
  return Array.isArray(created) ? created.length : undefined;
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** `14:49:50`, where this machine is. */
function timeOf(iso: unknown): string {
  return new Date(String(iso)).toTimeString().slice(0, 'HH:MM:SS'.length);
}

function shown(value: unknown): string {
  return typeof value === 'string' ? textOf(value) : printable(JSON.stringify(value));
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? printable(value) : '';
}

function listOf(value: unknown): readonly Fields[] {
  return Array.isArray(value) ? value : [];
}
