import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { everyCaller } from '../auth/callers.ts';
import { environment, readOperatorSettings, readSettings, secretOf, warningsAbout } from '../config/read-settings.ts';
import { formatIssue } from '../config/schema.ts';
import type { Settings } from '../config/settings.ts';
import { plainTokens } from '../config/tokens-file.ts';
import { connectSink } from '../gateway/connect-sink.ts';
import { examineJournal } from '../gateway/examine-journal.ts';
import { FileWatcher, unboundCallers } from '../gateway/watched-files.ts';
import { printable } from '../model/printable.ts';
import { createLog } from '../observe/log.ts';
import { Metrics } from '../observe/metrics.ts';
import { AdminClient, AdminError, type Stats } from './admin-client.ts';
import { type CallerFiles, readCallerFiles } from './callers.ts';
import { PROBE_MS } from './check.ts';
import { EXIT_CODES, type ExitCode } from './exit-codes.ts';
import { print } from './terminal.ts';

const DAY_MS = 86_400_000;

/** A certificate that ends sooner should be renewed, milliseconds. */
const RENEWAL_MS = 30 * DAY_MS;

/** Clocks that differ by more are wrong, milliseconds. An HTTP date is exact to a second. */
const CLOCK_MS = 10_000;

/** Callers and registries for whose last event a running gateway is asked. */
const MAX_ASKED = 100;

/** Without any of them, this is not the environment of `serve`. */
const NEEDED = ['API_ADDRESS', 'SINK_URL', 'TOKENS_PATH', 'CONFIG_PATH'];

const OWN = 'brigade-acr-gateway';

const MARKS = { ok: '✓', warning: '!', problem: '✗', unknown: '?' } as const;

/** What was found about one part of an installation. */
interface Finding {
  readonly level: keyof typeof MARKS;
  readonly about: string;
  readonly detail: string;
  /** What to do: a command, or a sentence. */
  readonly todo?: string;
  /** The exit code for a problem. */
  readonly code?: ExitCode;
}

/** Examines whatever can be reached, changes nothing, and prints what it found and what to do. */
export async function doctor({ json }: { readonly json?: boolean }): Promise<ExitCode> {
  const findings: Finding[] = [];
  for await (const finding of examine()) {
    findings.push(finding);
    if (json !== true) for (const line of linesOf(finding)) print(line);
  }
  if (json === true)
    print(
      JSON.stringify(
        findings.map(({ code: _, ...shown }) => shown),
        null,
        2,
      ),
    );
  const [worst] = findings.flatMap(({ level, code }) => (level === 'problem' ? [code ?? EXIT_CODES.failed.code] : []));
  return worst ?? EXIT_CODES.ok.code;
}

function linesOf({ level, about, detail, todo }: Finding): readonly string[] {
  const line = printable(`${MARKS[level]} ${about.padEnd(13)}  ${detail}`);
  return todo === undefined ? [line] : [line, printable(`${' '.repeat(17)}→ ${todo}`)];
}

async function* examine(): AsyncGenerator<Finding> {
  const read = await readSettings(environment());
  if (NEEDED.every((name) => environment()[name] === undefined)) {
    const detail = `the settings of serve are not here: ${NEEDED.join(', ')}`;
    yield {
      level: 'unknown',
      about: 'configuration',
      detail,
      todo: `run it with the environment of serve, as in its pod`,
    };
    yield* examineGateway(undefined);
    return;
  }
  if (read.kind === 'issues') {
    yield* read.issues.map((issue) => ({
      ...problem('configuration', formatIssue(issue), 'correct it: docs/configuration.md'),
      code: EXIT_CODES.config.code,
    }));
    yield* examineGateway(undefined);
    return;
  }
  const { value: settings } = read;
  yield ok('configuration', 'valid');
  yield* warningsAbout(settings).map((each) => warning('configuration', each, 'see docs/configuration.md'));
  const files = await readCallerFiles(settings);
  yield* examineCallers(settings, files);
  yield* examineTls(settings);
  yield* examineStorage(settings);
  yield* examineSink(settings);
  yield* examineGateway(files);
  yield* eventGridHints(files);
}

async function* examineCallers(
  { tokensPath }: Settings,
  { tokens, policy, callers }: CallerFiles,
): AsyncGenerator<Finding> {
  const names = [...new Set(everyCaller(callers).map(({ name }) => name))];
  if (names.length === 0) {
    yield problem('callers', 'there is none: every webhook is answered 403', `${OWN} token new NAME`);
  } else yield ok('callers', names.join(', '));
  const unbound = unboundCallers(callers);
  if (unbound.length > 0) {
    yield warning(
      'callers',
      `may send events of any registry: ${unbound.join(', ')}`,
      'bind each to a registry: docs/tokens.md',
    );
  }
  const known = new Set(tokens.map(({ caller }) => caller.name));
  for (const { name, application } of policy.callers) {
    if (application !== undefined || known.has(name)) continue;
    yield warning(
      'callers',
      `CONFIG_PATH names ${name}, which has neither a token nor an application`,
      `${OWN} token new ${name}`,
    );
  }
  const plain = plainTokens(await readFile(tokensPath));
  const weak = plain.filter(({ isWeak }) => isWeak);
  const listed = (some: typeof plain) => some.map(({ name }) => name).join(', ');
  if (weak.length > 0) yield warning('tokens', `could be guessed: ${listed(weak)}`, `${OWN} token new NAME`);
  if (plain.length > 0) {
    yield warning(
      'tokens',
      `TOKENS_PATH has the token itself of: ${listed(plain)}`,
      `keep its digest there ("sha256"): ${OWN} token hash`,
    );
  }
}

async function* examineTls({ ingest: { tls, host, trustedProxies } }: Settings): AsyncGenerator<Finding> {
  if (tls === undefined) {
    if (host === '127.0.0.1' || host === '::1' || trustedProxies.length > 0) return;
    yield warning(
      'TLS',
      'webhooks, with their tokens, come over plain HTTP',
      'put a proxy in front, or set TLS_ENABLED: docs/tls.md',
    );
    return;
  }
  const { subject, subjectAltName, validToDate } = new X509Certificate(await readFile(tls.cert));
  const left = validToDate.getTime() - Date.now();
  const detail = `${subjectAltName ?? subject}, until ${validToDate.toISOString()}`;
  if (left <= 0)
    yield problem('TLS', `expired: ${detail}`, 'renew the certificate; the gateway reads it within seconds');
  else if (left < RENEWAL_MS) yield warning('TLS', `expires soon: ${detail}`, 'renew the certificate');
  else yield ok('TLS', detail);
}

async function* examineStorage({ journal }: Settings): AsyncGenerator<Finding> {
  const found = await examineJournal(journal);
  if (found === undefined) {
    yield warning(
      'journal',
      'in memory: undelivered events are lost when the process ends',
      'set JOURNAL_URL to a file',
    );
  } else if (found.kind === 'absent') yield ok('journal', 'it is created when the gateway starts');
  else if (found.kind === 'broken') {
    yield {
      ...problem('journal', found.detail, found.advice ?? 'see docs/troubleshooting.md'),
      code: EXIT_CODES.unreadable.code,
    };
  } else {
    const { kind, freeBytes } = found;
    const free = `${Math.floor(freeBytes / 2 ** 20)} MiB of its disk are free`;
    const isShort = freeBytes < journal.reserveBytes;
    if (isShort)
      yield problem('journal', `${free}, less than JOURNAL_RESERVE: webhooks are answered 503`, 'free disk space');
    else yield ok('journal', `${kind === 'in-use' ? 'in use by a gateway' : 'sound'}; ${free}`);
  }
}

async function* examineSink(settings: Settings): AsyncGenerator<Finding> {
  await using opened = new AsyncDisposableStack();
  const watcher = opened.use(new FileWatcher(createLog({ level: 'silent', pretty: false }), new Metrics()));
  const { sink, examine: examineIt } = await connectSink(settings.sink, watcher);
  opened.defer(() => sink.close());
  const signal = AbortSignal.timeout(PROBE_MS);
  const {
    probe,
    version,
    clockLeadMs = 0,
    advice,
  } = (await examineIt?.(signal)) ?? { probe: await sink.probe(signal) };
  const name = settings.sink.kind === 'brigade' ? 'Brigade' : 'receiver';
  if (probe.kind === 'ready') yield ok(name, version === undefined ? probe.detail : `${version}: ${probe.detail}`);
  else {
    const code = probe.credentials ? EXIT_CODES.rejected.code : EXIT_CODES.unavailable.code;
    yield { ...problem(name, probe.detail, advice ?? `check ${settings.sink.address}`), code };
  }
  if (Math.abs(clockLeadMs) > CLOCK_MS) {
    const seconds = Math.round(Math.abs(clockLeadMs) / 1000);
    const direction = clockLeadMs > 0 ? 'ahead of' : 'behind';
    yield warning('clock', `that of ${name} is ${seconds} s ${direction} the one of this machine`, 'set both by NTP');
  }
}

/** What only a running gateway knows. `files`: undefined when the settings of `serve` cannot be read. */
async function* examineGateway(files: CallerFiles | undefined): AsyncGenerator<Finding> {
  const read = await readOperatorSettings(environment());
  if (read.kind === 'issues') {
    const detail = `not asked: ${read.issues.map(formatIssue).join('; ')}`;
    yield { level: 'unknown', about: 'gateway', detail, todo: 'set ADMIN_TOKEN, and ADMIN_URL if it is elsewhere' };
    return;
  }
  try {
    const admin = new AdminClient(read.value.url, await secretOf(read.value.token));
    yield* describeStats(await admin.get('/api/stats'));
    if (files !== undefined) yield* examineUse(admin, files);
  } catch (error) {
    if (!(error instanceof AdminError)) throw error;
    yield { level: 'unknown', about: 'gateway', detail: error.message, todo: 'start it to see how it runs' };
  }
}

function* describeStats({ deliveries, deadLetters, damaged }: Stats): Generator<Finding> {
  const { paused, breaker, pending, oldestPendingAt, sink } = deliveries;
  const oldest = oldestPendingAt === undefined ? '' : `, the oldest since ${oldestPendingAt}`;
  yield ok('gateway', `it runs; pending events: ${pending}${oldest}`);
  if (paused !== undefined) {
    yield warning('deliveries', `paused by ${paused.by} since ${paused.at}`, `${OWN} deliveries resume`);
  }
  if (breaker === 'open') {
    yield problem(
      'deliveries',
      `the breaker is open: ${sink?.detail ?? 'the sink does not work'}`,
      'it closes by itself when the sink is ready',
    );
  }
  if (deadLetters > 0) {
    yield warning('dead letters', String(deadLetters), `${OWN} events list --state dead-letter`);
  }
  if (damaged > 0) yield problem('journal', `records that fail their checksum: ${damaged}`, 'replace the disk');
}

async function* examineUse(admin: AdminClient, { policy, callers }: CallerFiles): AsyncGenerator<Finding> {
  const isUnused = async (filter: { readonly caller: string } | { readonly registry: string }): Promise<boolean> =>
    (await admin.get('/api/events/count', filter)).hours.length === 0;
  const every = everyCaller(callers);
  for (const caller of [...new Set(every.map(({ name }) => name))].slice(0, MAX_ASKED)) {
    if (!(await isUnused({ caller }))) continue;
    yield warning('callers', `no event of ${caller} is kept`, 'send it the token, or remove it if it is not needed');
  }
  const bound = every.flatMap(({ bindings = [] }) => bindings.flatMap(({ registries = [] }) => registries));
  const registries = [...new Set([...policy.registries.map(({ name }) => name), ...bound])];
  for (const registry of registries.slice(0, MAX_ASKED)) {
    if (!(await isUnused({ registry }))) continue;
    const name = registry.split('.')[0];
    yield warning(
      'registries',
      `no event of ${registry} is kept`,
      `az acr webhook list --registry ${name} --output table`,
    );
  }
}

function* eventGridHints({ policy: { entra }, callers }: CallerFiles): Generator<Finding> {
  if (entra === undefined) return;
  const { tenant, audiences } = entra;
  const flags = `--azure-active-directory-tenant-id ${tenant} --azure-active-directory-application-id-or-uri ${audiences[0]}`;
  if (callers.applications.length === 0) {
    yield warning('Event Grid', 'entra is set, and no caller has an application', 'add one: docs/credentials.md');
  } else yield { ...ok('Event Grid', 'a subscription needs these flags'), todo: flags };
}

function ok(about: string, detail: string): Finding {
  return { level: 'ok', about, detail };
}

function warning(about: string, detail: string, todo: string): Finding {
  return { level: 'warning', about, detail, todo };
}

function problem(about: string, detail: string, todo: string): Finding {
  return { level: 'problem', about, detail, todo };
}
