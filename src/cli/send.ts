import { randomUUID } from 'node:crypto';
import { environment, readSendSettings, secretOf } from '../config/read-settings.ts';
import type { Credential } from '../config/settings.ts';
import { printable } from '../model/printable.ts';
import { EXIT_CODES, type ExitCode } from './exit-codes.ts';
import { type Sample, type SampleWebhook, sampleWebhook } from './sample-webhook.ts';
import { readSavedBody, readSavedHeaders } from './saved-webhook.ts';
import { print, printError, printIssues } from './terminal.ts';

/** How long Event Grid waits for an answer, which is longest of all; milliseconds. */
const ANSWER_MS = 30_000;

const PROGRESS = { everyMs: 100, width: 30 };

export interface SendOptions extends Omit<Sample, 'id' | 'at'> {
  readonly count: number;
  readonly concurrency: number;
  /** Files with a saved body and saved headers. */
  readonly file?: string;
  readonly headers?: string;
  readonly tokenFile?: string;
}

/** Sends samples or a saved webhook to a gateway. Succeeds only when every answer is a 2xx. */
export async function sendWebhooks(url: string | undefined, options: SendOptions): Promise<ExitCode> {
  const { tokenFile } = options;
  const read = await readSendSettings({
    ...environment(),
    ...(url === undefined ? {} : { WEBHOOK_URL: url }),
    ...(tokenFile === undefined ? {} : { WEBHOOK_TOKEN: '', WEBHOOK_TOKEN_PATH: tokenFile }),
  });
  if (read.kind === 'issues') {
    printIssues(read.issues);
    return EXIT_CODES.config.code;
  }
  const next = await webhooksFrom(options);
  if (next === undefined) {
    printError(`error: the format ${options.format} has no ${options.action}`);
    return EXIT_CODES.usage.code;
  }
  const authorization = await authorizationOf(read.value.token);
  const { url: address } = read.value;
  const sending = await sendAll(options, (signal) => post(address, next(), authorization, signal));
  const code = report(sending, options.count);
  for (const hint of hints(sending, address)) printError(hint);
  return code;
}

async function authorizationOf(token: Credential | undefined): Promise<Readonly<Record<string, string>>> {
  return token === undefined ? {} : { authorization: `Bearer ${await secretOf(token)}` };
}

interface Sendable {
  readonly headers: SampleWebhook['headers'];
  readonly body: string | Buffer<ArrayBuffer>;
}

/** Returns what makes one webhook after the other; undefined where the format has no such action. */
async function webhooksFrom({ file, headers, ...sample }: SendOptions): Promise<(() => Sendable) | undefined> {
  const given = await readSavedHeaders(headers);
  if (file !== undefined) {
    const saved = {
      headers: { 'content-type': 'application/json', ...given },
      body: Buffer.from(await readSavedBody(file)),
    };
    return () => saved;
  }
  const make = () => sampleWebhook({ ...sample, id: randomUUID(), at: new Date() });
  const first = make();
  if (first === undefined) return undefined;
  return () => {
    const webhook = make() ?? first;
    return { ...webhook, headers: { ...webhook.headers, ...given } };
  };
}

interface Answer {
  /** Absent when there was no answer. */
  readonly status?: number;
  /** The body of the answer, or why there was none. */
  readonly text: string;
  readonly ms: number;
}

async function post(
  url: string,
  { headers, body }: Sendable,
  authorization: Readonly<Record<string, string>>,
  stop: AbortSignal,
): Promise<Answer> {
  const startedAt = performance.now();
  const ms = () => performance.now() - startedAt;
  try {
    const signal = AbortSignal.any([AbortSignal.timeout(ANSWER_MS), stop]);
    const init = {
      method: 'POST',
      headers: { ...headers, ...authorization },
      body,
      signal,
      redirect: 'manual',
    } as const;
    const response = await fetch(url, init);
    return { text: await response.text(), status: response.status, ms: ms() };
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    return { text: cause instanceof Error ? cause.message : String(cause), ms: ms() };
  }
}

interface Sending {
  readonly answers: readonly Answer[];
  readonly seconds: number;
}

/** Ctrl-C ends it early: what has no answer then does not count. */
async function sendAll(
  { count, concurrency }: SendOptions,
  send: (signal: AbortSignal) => Promise<Answer>,
): Promise<Sending> {
  const progress = new Progress(count, process.stderr);
  const startedAt = performance.now();
  const stopping = new AbortController();
  const stop = () => stopping.abort();
  process.once('SIGINT', stop);
  const answers: Answer[] = [];
  let begun = 0;
  const worker = async (): Promise<void> => {
    while (begun < count && !stopping.signal.aborted) {
      begun += 1;
      const answer = await send(stopping.signal);
      if (stopping.signal.aborted) return;
      answers.push(answer);
      progress.step();
    }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, count) }, worker));
  process.off('SIGINT', stop);
  progress.end();
  return { answers, seconds: (performance.now() - startedAt) / 1000 };
}

function report({ answers, seconds }: Sending, count: number): ExitCode {
  const [only] = answers;
  if (only !== undefined && count === 1) print(printable(`${only.status ?? 'no answer'} ${only.text}`.trim()));
  else for (const line of summary(answers, seconds)) print(line);
  const isInterrupted = answers.length < count;
  if (isInterrupted) print(`interrupted after ${answers.length} of ${count}`);
  const isDone = !isInterrupted && answers.every(({ status = 0 }) => status >= 200 && status < 300);
  return isDone ? EXIT_CODES.ok.code : EXIT_CODES.failed.code;
}

/** What helps with the mistakes of a first try. */
function hints({ answers }: Sending, url: string): readonly string[] {
  const statuses = new Set(answers.map(({ status }) => status));
  return [
    ...(statuses.has(403)
      ? [
          '403: the token is missing or wrong, or may not send this event. For "npm start", add --token-file data/webhook-token',
        ]
      : []),
    ...(statuses.has(404) ? [`404: webhooks go to ${new URL(url).origin}/events, not to ${url}`] : []),
  ];
}

function summary(answers: readonly Answer[], seconds: number): readonly string[] {
  const counts = new Map<string, number>();
  for (const { status } of answers) {
    const name = status === undefined ? 'no answer' : String(status);
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  const times = answers.map(({ ms }) => ms).toSorted((a, b) => a - b);
  const at = (share: number) => (times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0).toFixed(1);
  const rows = [...counts].toSorted().map(([name, count]) => `${name}  ${count}`);
  const failure = answers.find(({ status }) => status === undefined)?.text;
  return [
    ...rows,
    `total  ${answers.length} in ${seconds.toFixed(1)} s, ${(answers.length / seconds).toFixed(1)}/s`,
    `p50  ${at(0.5)} ms`,
    `p99  ${at(0.99)} ms`,
    ...(failure === undefined ? [] : [printable(failure)]),
  ];
}

/** A progress bar, which disappears at the end. Without a terminal nothing is drawn. */
class Progress {
  readonly #total: number;
  readonly #startedAt = performance.now();
  readonly #timer: NodeJS.Timeout | undefined;
  #done = 0;

  constructor(total: number, stream: NodeJS.WriteStream) {
    this.#total = total;
    if (stream.isTTY) this.#timer = setInterval(() => stream.write(`\r${this.#line()}\u001b[K`), PROGRESS.everyMs);
    this.end = () => {
      clearInterval(this.#timer);
      if (stream.isTTY) stream.write('\r\u001b[K');
    };
  }

  readonly end: () => void;

  step(): void {
    this.#done += 1;
  }

  #line(): string {
    const filled = Math.floor((this.#done / this.#total) * PROGRESS.width);
    const rate = this.#done / ((performance.now() - this.#startedAt) / 1000);
    const left = this.#done === 0 ? '' : `  ${Math.ceil((this.#total - this.#done) / rate)} s left`;
    const bar = `${'█'.repeat(filled)}${'░'.repeat(PROGRESS.width - filled)}`;
    return `${bar} ${this.#done}/${this.#total}  ${rate.toFixed(0)}/s${left}`;
  }
}
