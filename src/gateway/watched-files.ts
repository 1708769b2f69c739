import { hash } from 'node:crypto';
import { type Callers, everyCaller, joinedCallers } from '../auth/callers.ts';
import { isUnbound, registriesOfCaller } from '../auth/scope.ts';
import { parseAdminTokens } from '../config/admin-tokens-file.ts';
import type { ConfigFile } from '../config/config-file.ts';
import { formatIssue } from '../config/schema.ts';
import { parseSecretFile, parseTlsFiles, type TlsPair } from '../config/secret-files.ts';
import type { Credential, Settings } from '../config/settings.ts';
import { parseTokens } from '../config/tokens-file.ts';
import { type ParseFiles, WatchedFile } from '../config/watched-file.ts';
import { ADMIN_TOKEN_NAME, type AdminToken } from '../model/admin-token.ts';
import { Fault } from '../model/fault.ts';
import { NO_POLICY } from '../model/policy.ts';
import { observeFile } from '../observe/files.ts';
import type { Log } from '../observe/log.ts';
import type { Metrics, WatchedName } from '../observe/metrics.ts';

/** A file was valid when the settings were read, and is not any more. */
export class FileFault extends Fault {
  override readonly name = 'FileFault';
  readonly code = 'file_invalid';
}

/** A secret from a variable or from a watched file. */
export interface Secret {
  current(): string;
  onChange(listener: () => void): void;
}

/** Watches files, and reports their changes, until it is closed. */
export class FileWatcher implements Disposable {
  readonly metrics: Metrics;
  readonly #log: Log;
  readonly #watched: { close(): void }[] = [];

  constructor(log: Log, metrics: Metrics) {
    this.#log = log;
    this.metrics = metrics;
  }

  /** Rejects with a `FileFault`. */
  async watch<T>(name: WatchedName, paths: readonly string[], parse: ParseFiles<T>): Promise<WatchedFile<T>> {
    const observer = observeFile(this.#log, this.metrics, name);
    const file = await WatchedFile.open({ paths, parse, onRejected: observer.rejected });
    if (file.kind === 'issues') throw new FileFault(file.issues.map(formatIssue).join('; '));
    // The ingest port reports a new certificate itself, when it is in use.
    if (name !== 'certificate') file.value.onChange(observer.taken);
    this.#watched.push(file.value);
    return file.value;
  }

  /** Rejects with a `FileFault`. */
  async secret(name: WatchedName, credential: Credential): Promise<Secret> {
    if (credential.kind === 'value') return { current: () => credential.value, onChange: () => {} };
    return this.watch(name, [credential.path], parseSecretFile);
  }

  [Symbol.dispose](): void {
    for (const file of this.#watched) file.close();
  }
}

/**
 * The callers of tokens file and configuration file. Logs an error whenever there is none; metrics are labelled with their
 * names and registries. Rejects with a `FileFault`.
 */
export async function watchCallers(
  { tokensPath, configPath }: Settings,
  watcher: FileWatcher,
  log: Log,
): Promise<{ current(): Callers }> {
  const tokens = await watcher.watch('tokens', [tokensPath], parseTokens);
  const config = configPath === undefined ? undefined : await watchConfig(configPath, watcher);
  const callers = joinedCallers(tokens, { current: () => config?.current().policy ?? NO_POLICY });
  const follow = () => {
    const every = everyCaller(callers.current());
    if (every.length === 0) log.error('tokens.empty');
    watcher.metrics.setNames(
      'caller',
      every.map(({ name }) => name),
    );
    watcher.metrics.setNames('registry', every.flatMap(registriesOfCaller));
  };
  for (const file of [tokens, config]) file?.onChange(follow);
  follow();
  return callers;
}

/** YAML is loaded only for those who have such a file. */
async function watchConfig(path: string, watcher: FileWatcher): Promise<WatchedFile<ConfigFile>> {
  const { parseConfigFile } = await import('../config/config-file.ts');
  return watcher.watch('config', [path], parseConfigFile);
}

/** The tokens of `ADMIN_TOKEN` and of the file of admin tokens. Rejects with a `FileFault`. */
export async function watchAdminTokens(
  { admin: { token, tokensPath } }: Settings,
  watcher: FileWatcher,
): Promise<() => readonly AdminToken[]> {
  const single = token === undefined ? undefined : await watcher.secret('admin-token', token);
  const file =
    tokensPath === undefined ? undefined : await watcher.watch('admin-tokens', [tokensPath], parseAdminTokens);
  return () => [
    ...(single === undefined ? [] : [{ name: ADMIN_TOKEN_NAME, role: 'operate' as const, digest: digestOf(single) }]),
    ...(file?.current() ?? []),
  ];
}

function digestOf(secret: Secret): Uint8Array {
  return hash('sha256', secret.current(), 'buffer');
}

/** The names of the callers that may send events of any registry. */
export function unboundCallers(callers: Callers): readonly string[] {
  const unbound = everyCaller(callers).filter(isUnbound);
  return [...new Set(unbound.map(({ name }) => name))];
}

/** The certificate of the ingest port, if it speaks TLS. Rejects with a `FileFault`. */
export async function watchCertificate(
  { ingest: { tls } }: Settings,
  watcher: FileWatcher,
): Promise<WatchedFile<TlsPair> | undefined> {
  if (tls === undefined) return undefined;
  const file = await watcher.watch('certificate', [tls.cert, tls.key], parseTlsFiles);
  const follow = () => {
    const seconds = file.current().expiresAt / 1000;
    watcher.metrics.set('acr_gateway_certificate_expiry_timestamp_seconds', seconds, { file: 'certificate' });
  };
  file.onChange(follow);
  follow();
  return file;
}
