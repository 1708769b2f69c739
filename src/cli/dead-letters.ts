import { environment, readOperatorSettings, secretOf } from '../config/read-settings.ts';
import { printable } from '../model/printable.ts';
import type { DeadLetterReason } from '../model/receipt.ts';
import type { RegistryEvent } from '../model/registry-event.ts';
import { EXIT_CODES, type ExitCode } from './exit-codes.ts';
import { print, printError, printIssues } from './terminal.ts';

/** How long the gateway may take to answer, milliseconds: it spreads a hundred redeliveries over two seconds. */
const ANSWER_MS = 30_000;

/** Events in one request to redeliver, and dead letters on one page: the limit of the admin API. */
const CHUNK = 100;

/** A dead letter as the admin API lists it. */
interface DeadLetter {
  readonly seq: number;
  readonly receivedAt: string;
  readonly event: RegistryEvent;
  readonly deadLetter?: { readonly at: string; readonly reason: DeadLetterReason; readonly detail: string };
}

export function listDeadLetters(options: {
  readonly limit: number;
  readonly before?: number;
  readonly json?: boolean;
}): Promise<ExitCode> {
  return withAdmin(async (admin) => {
    const letters = await page(admin, options.limit, options.before);
    if (options.json === true) print(JSON.stringify(letters, null, 2));
    else if (letters.length === 0) print('There are no dead letters.');
    else for (const letter of letters) print(describe(letter));
    return EXIT_CODES.ok.code;
  });
}

export function showEvent(seq: number): Promise<ExitCode> {
  return withAdmin(async (admin) => {
    print(JSON.stringify(await admin.get(`/api/events/${seq}`), null, 2));
    return EXIT_CODES.ok.code;
  });
}

export function redeliverEvents(seqs: readonly number[], options: { readonly all?: boolean }): Promise<ExitCode> {
  if (seqs.length > 0 === (options.all === true)) {
    printError('error: give either sequence numbers or --all');
    return Promise.resolve(EXIT_CODES.usage.code);
  }
  return withAdmin(async (admin) => {
    let isFailed = false;
    const chunks = options.all === true ? allDeadLetters(admin) : chunked(seqs);
    for await (const chunk of chunks) isFailed = !(await redeliver(admin, chunk)) || isFailed;
    return isFailed ? EXIT_CODES.failed.code : EXIT_CODES.ok.code;
  });
}

/** Resolves to whether every event was redelivered. */
async function redeliver(admin: AdminClient, seqs: readonly number[]): Promise<boolean> {
  const answer: { redeliveries: { seq: number; kind: string; detail?: string; rule?: string }[] } = await admin.post(
    '/api/redeliveries',
    { seqs },
  );
  for (const { seq, kind, detail, rule } of answer.redeliveries) {
    const reason = rule === undefined ? detail : `rule ${rule}`;
    print(printable(`${seq}  ${kind}${reason === undefined ? '' : `: ${reason}`}`));
  }
  return answer.redeliveries.every(({ kind }) => kind === 'redelivered');
}

async function* allDeadLetters(admin: AdminClient): AsyncGenerator<readonly number[]> {
  let before: number | undefined;
  for (;;) {
    const letters = await page(admin, CHUNK, before);
    if (letters.length === 0) return;
    before = letters.at(-1)?.seq;
    yield letters.map(({ seq }) => seq);
  }
}

function* chunked(seqs: readonly number[]): Generator<readonly number[]> {
  for (let start = 0; start < seqs.length; start += CHUNK) yield seqs.slice(start, start + CHUNK);
}

async function page(admin: AdminClient, limit: number, before: number | undefined): Promise<readonly DeadLetter[]> {
  const below = before === undefined ? '' : `&before=${before}`;
  const answer: { deadLetters: readonly DeadLetter[] } = await admin.get(`/api/dead-letters?limit=${limit}${below}`);
  return answer.deadLetters;
}

function describe({ seq, event, deadLetter }: DeadLetter): string {
  const { action, registry = '(no registry)', repository, tag } = event;
  const image =
    [registry, repository].filter((part) => part !== undefined).join('/') + (tag === undefined ? '' : `:${tag}`);
  return printable(
    `${seq}  ${deadLetter?.at ?? ''}  ${deadLetter?.reason ?? ''}  ${action} ${image}  ${deadLetter?.detail ?? ''}`,
  );
}

async function withAdmin(work: (admin: AdminClient) => Promise<ExitCode>): Promise<ExitCode> {
  const read = await readOperatorSettings(environment());
  if (read.kind === 'issues') {
    printIssues(read.issues);
    return EXIT_CODES.config.code;
  }
  try {
    return await work(new AdminClient(read.value.url, await secretOf(read.value.token)));
  } catch (error) {
    if (!(error instanceof AdminError)) throw error;
    printError(error.message);
    return EXIT_CODES.failed.code;
  }
}

/** The gateway did not answer, or answered with an error; the message is for the operator. */
class AdminError extends Error {
  override readonly name = 'AdminError';
}

/** Talks to the admin port of a running gateway. Its methods reject with an `AdminError`. */
class AdminClient {
  readonly #url: string;
  readonly #token: string;

  constructor(url: string, token: string) {
    this.#url = url;
    this.#token = token;
  }

  // The answer is the gateway's own JSON, of the same version: the caller declares its type.
  get(path: string): ReturnType<typeof JSON.parse> {
    return this.#request('GET', path);
  }

  post(path: string, body: object): ReturnType<typeof JSON.parse> {
    return this.#request('POST', path, JSON.stringify(body));
  }

  async #request(method: string, path: string, body?: string): Promise<ReturnType<typeof JSON.parse>> {
    const headers = { authorization: `Bearer ${this.#token}`, 'content-type': 'application/json' };
    const signal = AbortSignal.timeout(ANSWER_MS);
    const response = await fetch(this.#url + path, {
      method,
      headers,
      signal,
      body: body ?? null,
      redirect: 'error',
    }).catch((cause: unknown) => {
      throw new AdminError(`no gateway answers at ${this.#url}: start it, or set ADMIN_URL`, { cause });
    });
    const text = await response.text();
    if (!response.ok)
      throw new AdminError(`the gateway at ${this.#url} answered ${response.status}: ${reasonIn(text)}`);
    return JSON.parse(text);
  }
}

function reasonIn(text: string): string {
  try {
    return printable(String(JSON.parse(text).error));
  } catch {
    return printable(text.slice(0, 200));
  }
}
