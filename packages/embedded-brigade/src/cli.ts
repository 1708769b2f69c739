import { once } from 'node:events';
import { mkdir, open } from 'node:fs/promises';
import { isIP } from 'node:net';
import { join, resolve } from 'node:path';
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { startEmbeddedBrigade } from './embedded-brigade.ts';
import { describeIssues, EventScreen } from './event-screen.ts';
import { describeFault, EmbeddedBrigadeFault, FAULT_EXIT_CODES, type FaultCode } from './fault.ts';
import { printableLines } from './printable.ts';
import { type Examine, WatchedProjects } from './project-files.ts';

/** The exit codes of the command; the numbers are those of sysexits.h. */
const EXIT = { ok: 0, usage: 64, broken: 70, config: 78 } as const;

type ExitCode = (typeof EXIT)[keyof typeof EXIT] | (typeof FAULT_EXIT_CODES)[FaultCode];

/** A larger file is not a password. */
const MAX_PASSWORD_BYTES = 4096;

export interface CliOptions {
  /** How the command is called; `embedded-brigade` if absent. */
  readonly name?: string;
  /** Finds probable mistakes in project files, which are printed as warnings. */
  readonly examine?: Examine;
}

interface Flags {
  readonly host: string;
  readonly port: number;
  readonly data: string;
  readonly rootPasswordPath: string;
  readonly projects?: string;
}

/** Runs the embedded Brigade alone until SIGTERM or SIGINT, and resolves to the exit code. Never rejects. */
export async function main(args: readonly string[], options: CliOptions = {}): Promise<ExitCode> {
  let exitCode: ExitCode = EXIT.ok;
  const command = createCommand(options).action(async (flags: Flags) => {
    exitCode = await run(flags, options.examine);
  });
  try {
    await command.parseAsync([...args], { from: 'user' });
    return exitCode;
  } catch (error) {
    // Commander has printed its message. --help ends here too, with 0.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    if (error instanceof EmbeddedBrigadeFault) {
      printError(describeFault(error));
      return FAULT_EXIT_CODES[error.code];
    }
    onFault(error);
    return EXIT.broken;
  }
}

function createCommand({ name = 'embedded-brigade' }: CliOptions): Command {
  return new Command(name)
    .description('Runs a Brigade 2 API server for this machine, empty at first start.')
    .exitOverride()
    .showHelpAfterError('(--help lists the flags)')
    .requiredOption('--data <folder>', 'folder that stores everything; created if there is none')
    .requiredOption('--root-password-path <file>', 'file with the password of root, for "brig login --root"')
    .option('--port <number>', 'port to listen on; 0 for any free port', portNumber, 8082)
    .option('--projects <folder>', 'folder of YAML files, each a project, beside those created by the API')
    .option(
      '--host <address>',
      'IP address to listen on, unencrypted; with any but 127.0.0.1 other machines can run programs here',
      ipAddress,
      '127.0.0.1',
    );
}

async function run({ host, port, data, rootPasswordPath, projects }: Flags, examine?: Examine): Promise<ExitCode> {
  const rootPassword = await readPassword(rootPasswordPath);
  if (rootPassword === undefined) return EXIT.config;
  if (!isLoopback(host)) printError(warning(host));
  const watched = projects === undefined ? undefined : await watchProjects(resolve(projects), examine);
  const signal = Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')]);
  try {
    const folder = resolve(data);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const { onEvent, ...screen } = new EventScreen(print);
    const server = await startEmbeddedBrigade({
      host,
      port,
      database: join(folder, 'brigade.db'),
      rootPassword,
      projects: () => watched?.current().projects ?? [],
      workers: { folder: join(folder, 'workers'), ...screen },
      onEvent,
      onFault,
    });
    print(`The embedded Brigade listens on ${server.address}`);
    await signal;
    await server.close();
    return EXIT.ok;
  } finally {
    watched?.close();
  }
}

/** Undefined after printing why there is none. White space around the password does not count. */
async function readPassword(path: string): Promise<string | undefined> {
  try {
    await using file = await open(path);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(MAX_PASSWORD_BYTES));
    const password = buffer.toString('utf8', 0, bytesRead).trim();
    if (password !== '' && bytesRead < MAX_PASSWORD_BYTES) return password;
    printError(`--root-password-path: expected the password of root, got ${bytesRead} bytes (${path})`);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    printError(`--root-password-path: expected a file that can be read, got ${reason}`);
  }
  return undefined;
}

async function watchProjects(folder: string, examine: Examine | undefined): Promise<WatchedProjects> {
  const report = (loaded: ReturnType<WatchedProjects['current']>) => describeIssues(loaded).forEach(printError);
  const projects = await WatchedProjects.open({ folder, examine, onChange: report, onFault });
  report(projects.current());
  return projects;
}

function onFault(error: unknown): void {
  printError(error instanceof Error ? (error.stack ?? error.message) : String(error));
}

function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1';
}

function warning(host: string): string {
  return (
    `Warning: it listens on ${host}, unencrypted. Anyone who can connect may try passwords and read tokens, ` +
    'and anyone who may create projects can run programs on this machine.'
  );
}

function portNumber(text: string): number {
  const port = Number(text);
  if (/^\d{1,5}$/.test(text) && port < 65_536) return port;
  throw new InvalidArgumentError('Expected a whole number from 0 to 65535.');
}

function ipAddress(text: string): string {
  if (isIP(text) !== 0) return text;
  throw new InvalidArgumentError('Expected an IP address.');
}

function print(lines: string): void {
  process.stdout.write(`${printableLines(lines)}\n`);
}

function printError(lines: string): void {
  process.stderr.write(`${printableLines(lines)}\n`);
}
