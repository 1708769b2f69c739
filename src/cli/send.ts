import { randomUUID } from 'node:crypto';
import { type Credential, secretOf } from '../config/credential.ts';
import { environment, readSendSettings } from '../config/read-settings.ts';
import { EXIT_CODES, type ExitCode } from './exit-codes.ts';
import { Progress } from './progress.ts';
import { type Sample, type SampleWebhook, sampleWebhook } from './sample-webhook.ts';
import { readSavedBody, readSavedHeaders } from './saved-webhook.ts';
import { print, printable, printError, printIssues } from './terminal.ts';

/** As long as Event Grid waits, the most patient of the senders; milliseconds. */
const ANSWER_MS = 30_000;

export interface SendOptions extends Omit<Sample, 'id' | 'at'> {
  readonly count: number;
  readonly concurrency: number;
  /** A saved body, and saved headers. */
  readonly file?: string;
  readonly headers?: string;
  readonly tokenFile?: string;
}

/** Sends webhooks to a gateway, a sample or a saved one; done only when every one was answered with a 2xx. */
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
    printError(`error: ${options.format} never tells of ${options.action}`);
    return EXIT_CODES.usage.code;
  }
  const authorization = await authorizationOf(read.settings.token);
  const answers = await sendAll(options, async () => post(read.settings.url, next(), authorization));
  return tell(answers);
}

async function authorizationOf(token: Credential | undefined): Promise<Readonly<Record<string, string>>> {
  return token === undefined ? {} : { authorization: `Bearer ${await secretOf(token)}` };
}

interface Sendable {
  readonly headers: SampleWebhook['headers'];
  readonly body: string | Buffer<ArrayBuffer>;
}

/** Makes one webhook after the other; undefined where there is none of that kind. */
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
  /** Undefined when none came. */
  readonly status?: number;
  /** What was answered, or why nothing was. */
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

function tell(answers: readonly Answer[]): ExitCode {
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
