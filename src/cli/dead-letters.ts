import { secretOf } from '../config/credential.ts';
import { environment, readOperatorSettings } from '../config/read-settings.ts';
import type { DeadLetterReason } from '../model/receipt.ts';
import type { RegistryEvent } from '../model/registry-event.ts';
import { AdminClient, AdminError } from './admin-client.ts';
import { EXIT_CODES, type ExitCode } from './exit-codes.ts';
import { print, printable, printError, printIssues } from './terminal.ts';

/** What the admin API lists. */
interface DeadLetter {
  readonly seq: number;
  readonly receivedAt: string;
  readonly event: RegistryEvent;
  readonly deadLetter?: { readonly at: string; readonly reason: DeadLetterReason; readonly detail: string };
}

/** Events in one request to redeliver, and dead letters in one page: what the admin API takes. */
const CHUNK = 100;

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
    printError('error: name the sequence numbers, or give --all');
    return Promise.resolve(EXIT_CODES.usage.code);
  }
  return withAdmin(async (admin) => {
    let failed = false;
    const chunks = options.all === true ? allDeadLetters(admin) : chunked(seqs);
    for await (const chunk of chunks) failed = !(await redeliver(admin, chunk)) || failed;
    return failed ? EXIT_CODES.failed.code : EXIT_CODES.ok.code;
  });
}

/** Returns whether all of them were. */
async function redeliver(admin: AdminClient, seqs: readonly number[]): Promise<boolean> {
  const answer: { redeliveries: { seq: number; kind: string; detail?: string }[] } = await admin.post(
    '/api/redeliveries',
    { seqs },
  );
  for (const { seq, kind, detail } of answer.redeliveries)
    print(`${seq}  ${kind}${detail === undefined ? '' : `: ${detail}`}`);
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
    return await work(new AdminClient(read.settings.url, await secretOf(read.settings.token)));
  } catch (error) {
    if (!(error instanceof AdminError)) throw error;
    printError(error.message);
    return EXIT_CODES.failed.code;
  }
}
