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
  const answers = await sendAll(options, async () => post(read.value.url, next(), authorization));
  return report(answers);
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
): Promise<Answer> {
  const startedAt = performance.now();
  const ms = () => performance.now() - startedAt;
  try {
    const signal = AbortSignal.timeout(ANSWER_MS);
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

async function sendAll({ count, concurrency }: SendOptions, send: () => Promise<Answer>): Promise<readonly Answer[]> {
  const progress = new Progress(count, process.stderr);
  const answers: Answer[] = [];
  let begun = 0;
  const worker = async (): Promise<void> => {
    while (begun < count) {
      begun += 1;
      answers.push(await send());
      progress.step();
    }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, count) }, worker));
  progress.end();
  return answers;
}

function report(answers: readonly Answer[]): ExitCode {
  const [only, ...others] = answers;
  if (only !== undefined && others.length === 0) print(printable(`${only.status ?? 'no answer'} ${only.text}`.trim()));
  else for (const line of summary(answers)) print(line);
  const isDone = answers.every(({ status = 0 }) => status >= 200 && status < 300);
  return isDone ? EXIT_CODES.ok.code : EXIT_CODES.failed.code;
}

function summary(answers: readonly Answer[]): readonly string[] {
  const counts = new Map<string, number>();
  for (const { status } of answers) {
    const name = status === undefined ? 'no answer' : String(status);
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  const times = answers.map(({ ms }) => ms).toSorted((a, b) => a - b);
  const at = (share: number) => (times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0).toFixed(1);
  const rows = [...counts].toSorted().map(([name, count]) => `${name}  ${count}`);
  const failure = answers.find(({ status }) => status === undefined)?.text;
  return [...rows, `p50  ${at(0.5)} ms`, `p99  ${at(0.99)} ms`, ...(failure === undefined ? [] : [printable(failure)])];
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
    const rate = Math.round(this.#done / ((performance.now() - this.#startedAt) / 1000));
    return `${'█'.repeat(filled)}${'░'.repeat(PROGRESS.width - filled)} ${this.#done}/${this.#total}  ${rate}/s`;
  }
}
