import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parseSecretFile } from '../config/secret-files.ts';
import { parseFiles } from '../config/watched-file.ts';
import { startEmbeddedBrigade } from '../embedded-brigade/embedded-brigade.ts';
import { WatchedProjects } from '../embedded-brigade/watched-projects.ts';
import { EventScreen, printProjectIssues } from './event-screen.ts';
import { describeError, EXIT_CODES, type ExitCode } from './exit-codes.ts';
import { print, printError, printIssues } from './terminal.ts';

export interface BrigadeOptions {
  /** An IP address. */
  readonly host: string;
  readonly port: number;
  /** Folder of everything that is kept; made where there is none. */
  readonly data: string;
  /** File with the password of root. */
  readonly rootPasswordPath: string;
  /** Folder of YAML files. */
  readonly projects?: string;
}

/** Runs the embedded Brigade alone until a signal. Rejects when it cannot start. */
export async function brigade(options: BrigadeOptions): Promise<ExitCode> {
  const { rootPasswordPath, host } = options;
  const password = await parseFiles([rootPasswordPath], parseSecretFile);
  if (password.kind === 'issues') {
    printIssues(password.issues);
    return EXIT_CODES.config.code;
  }
  if (!isLoopback(host)) printError(warning(host));
  const projects = options.projects === undefined ? undefined : await watchProjects(resolve(options.projects));
  try {
    return await serve(options, password.value, projects);
  } finally {
    projects?.close();
  }
}

async function serve(
  { host, port, data }: BrigadeOptions,
  rootPassword: string,
  projects: WatchedProjects | undefined,
): Promise<ExitCode> {
  const signal = Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')]);
  const folder = resolve(data);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const { onEvent, ...screen } = new EventScreen();
  const server = await startEmbeddedBrigade({
    host,
    port,
    database: join(folder, 'brigade.db'),
    rootPassword,
    projects: () => projects?.current().projects ?? [],
    workers: { folder: join(folder, 'workers'), ...screen },
    onEvent,
    onFault,
  });
  print(`The embedded Brigade listens on ${server.address}`);
  await signal;
  await server.close();
  return EXIT_CODES.ok.code;
}

async function watchProjects(folder: string): Promise<WatchedProjects> {
  const projects = await WatchedProjects.open({ folder, onChange: printProjectIssues, onFault });
  printProjectIssues(projects.current());
  return projects;
}

function onFault(error: unknown): void {
  printError(describeError(error));
}

function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1';
}

function warning(host: string): string {
  return (
    `Warning: it listens on ${host}, unencrypted. Whoever reaches it may try passwords and overhear tokens, ` +
    'and whoever may create projects runs programs on this machine.'
  );
}
