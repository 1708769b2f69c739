import { hash, randomBytes } from 'node:crypto';
import { text } from 'node:stream/consumers';
import { type Callers, everyCaller } from '../auth/callers.ts';
import { isUnbound } from '../auth/scope.ts';
import { environment, readJudgingSettings } from '../config/read-settings.ts';
import type { Caller } from '../model/caller.ts';
import { readCallerFiles } from './callers.ts';
import { EXIT_CODES, type ExitCode } from './exit-codes.ts';
import { readSavedBody } from './saved-webhook.ts';
import { Table } from './table.ts';
import { print, printError, printIssues } from './terminal.ts';

/** Random bytes of a new token. */
const TOKEN_BYTES = 32;

interface NewTokenOptions {
  readonly registry?: string;
  readonly role?: string;
  readonly json?: boolean;
}

/** Prints a token, which is kept nowhere, and what a tokens file needs to know of it. */
export async function newToken(name: string, { registry, role, json }: NewTokenOptions): Promise<ExitCode> {
  const token = randomBytes(TOKEN_BYTES).toString('base64url');
  const entry = {
    sha256: hash('sha256', token),
    ...(registry === undefined ? {} : { registry }),
    ...(role === undefined ? {} : { role }),
  };
  if (json === true) print(JSON.stringify({ token, entry: { [name]: entry } }, null, 2));
  else {
    print(token);
    printError(
      `The token is above; it is not shown again. Its entry for ${role === undefined ? 'TOKENS_PATH' : 'ADMIN_TOKENS_PATH'}:`,
    );
    printError(`${JSON.stringify(name)}: ${JSON.stringify(entry)}`);
  }
  return EXIT_CODES.ok.code;
}

/** The newline at the end of a file is not part of a token. */
export async function hashToken({ tokenFile }: { readonly tokenFile?: string }): Promise<ExitCode> {
  const given =
    tokenFile === undefined ? await text(process.stdin) : Buffer.from(await readSavedBody(tokenFile)).toString();
  const token = given.trim();
  if (token === '') {
    printError('error: the token is empty');
    return EXIT_CODES.usage.code;
  }
  print(hash('sha256', token));
  return EXIT_CODES.ok.code;
}

/** A caller in a list. */
interface ListedCaller {
  readonly name: string;
  /** By what it is recognized. */
  readonly credentials: readonly string[];
  readonly registries: string;
  readonly repositories: string;
  readonly actions: string;
}

export async function listTokens({ json }: { readonly json?: boolean }): Promise<ExitCode> {
  const read = await readJudgingSettings(environment());
  if (read.kind === 'issues') {
    printIssues(read.issues);
    return EXIT_CODES.config.code;
  }
  const { callers } = await readCallerFiles(read.value);
  const listed = listedCallers(callers);
  if (json === true) print(JSON.stringify(listed, null, 2));
  else if (listed.length === 0) print('There are no callers: set TOKENS_PATH or CONFIG_PATH.');
  else callerTable().print(listed);
  return EXIT_CODES.ok.code;
}

function listedCallers(callers: Callers): readonly ListedCaller[] {
  const byName = new Map(everyCaller(callers).map((caller) => [caller.name, caller]));
  return [...byName.values()].map((caller) => ({
    name: caller.name,
    credentials: [
      ...callers.tokens.flatMap((token) => (token.caller.name === caller.name ? ['token'] : [])),
      ...callers.applications.flatMap((each) =>
        each.caller.name === caller.name ? [`application ${each.application.id}`] : [],
      ),
    ],
    registries: isUnbound(caller) ? 'any' : allowed(caller, ({ registries }) => registries),
    repositories: allowed(caller, ({ repositories }) => repositories),
    actions: allowed(caller, ({ actions }) => actions),
  }));
}

type Binding = NonNullable<Caller['bindings']>[number];

/** An event must satisfy every binding. */
function allowed({ bindings = [] }: Caller, listOf: (binding: Binding) => readonly string[] | undefined): string {
  const lists = bindings.flatMap((binding) => listOf(binding)?.join(',') ?? []);
  return [...new Set(lists)].join(' and ') || 'any';
}

function callerTable(): Table<ListedCaller> {
  return new Table({
    columns: [
      { title: 'CALLER', cell: ({ name }) => name },
      { title: 'KNOWN BY', cell: ({ credentials }) => credentials.join(', ') },
      { title: 'REGISTRIES', cell: ({ registries }) => registries, isCut: true },
      { title: 'REPOSITORIES', cell: ({ repositories }) => repositories, isCut: true },
      { title: 'ACTIONS', cell: ({ actions }) => actions },
    ],
  });
}
