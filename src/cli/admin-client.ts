import type { statsOf } from '../admin/api/answers.ts';
import { environment, readOperatorSettings, secretOf } from '../config/read-settings.ts';
import { printable } from '../model/printable.ts';
import { EXIT_CODES, type ExitCode } from './exit-codes.ts';
import { printError, printIssues } from './terminal.ts';

/** How long the gateway may take to answer, milliseconds: it spreads a hundred redeliveries over two seconds. */
const ANSWER_MS = 30_000;

type Method = 'GET' | 'POST' | 'DELETE';

/** What the admin API takes in a query. An absent value is left out. */
export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

/** How the gateway is doing. */
export type Stats = ReturnType<typeof statsOf>;

/** Runs a command that talks to a running gateway. It fails with 78 for its settings, and with 1 for a bad answer. */
export async function withAdmin(work: (admin: AdminClient) => Promise<ExitCode>): Promise<ExitCode> {
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
export class AdminError extends Error {
  override readonly name = 'AdminError';
}

/** Talks to the admin port of a running gateway. Its methods reject with an `AdminError`. */
export class AdminClient {
  readonly #url: string;
  readonly #token: string;

  constructor(url: string, token: string) {
    this.#url = url;
    this.#token = token;
  }

  // The answer is the gateway's own JSON, of the same version: the caller declares its type.
  get(path: string, query: Query = {}): ReturnType<typeof JSON.parse> {
    const given = Object.entries(query).filter(([, value]) => value !== undefined);
    const text = new URLSearchParams(given.map(([name, value]): [string, string] => [name, String(value)]));
    return this.#request('GET', given.length === 0 ? path : `${path}?${text}`);
  }

  post(path: string, body: object = {}): ReturnType<typeof JSON.parse> {
    return this.#request('POST', path, JSON.stringify(body));
  }

  delete(path: string): ReturnType<typeof JSON.parse> {
    return this.#request('DELETE', path);
  }

  async #request(method: Method, path: string, body?: string): Promise<ReturnType<typeof JSON.parse>> {
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
    return text === '' ? undefined : JSON.parse(text);
  }
}

function reasonIn(text: string): string {
  try {
    return printable(String(JSON.parse(text).error));
  } catch {
    return printable(text.slice(0, 200));
  }
}
