import { type Callers, everyCaller, joinedCallers } from '../auth/callers.ts';
import { isUnbound } from '../auth/scope.ts';
import type { ConfigFile } from '../config/config-file.ts';
import { formatIssue } from '../config/schema.ts';
import { parseSecretFile, parseTlsFiles, type TlsPair } from '../config/secret-files.ts';
import type { Credential, Settings } from '../config/settings.ts';
import { parseTokens } from '../config/tokens-file.ts';
import { type ParseFiles, WatchedFile } from '../config/watched-file.ts';
import { Fault } from '../model/fault.ts';
import { NO_POLICY } from '../model/policy.ts';
import { observeFile } from '../observe/files.ts';
import type { Log } from '../observe/log.ts';
import type { Metrics, WatchedName } from '../observe/metrics.ts';
import { connectSink, type SinkConnection } from './connect-sink.ts';

/** A file was fit when the settings were read, and is not any more. */
export class FileFault extends Fault {
  override readonly name = 'FileFault';
  readonly code = 'file_invalid';
}

/** Everything that follows a file, as it is now. */
export interface GatewayFiles {
  /** Whom tokens file and configuration file know. */
  readonly callers: { current(): Callers };
  readonly certificate: WatchedFile<TlsPair> | undefined;
  readonly adminToken: () => string | undefined;
  readonly sink: SinkConnection;
  close(): Promise<void>;
}

/** A secret that was given as it is, or is in a file. */
export interface Secret {
  current(): string;
  onChange(listener: () => void): void;
}

/** The names of those who may speak for any registry. */
export function unboundCallers(callers: Callers): readonly string[] {
  const unbound = everyCaller(callers).filter(isUnbound);
  return [...new Set(unbound.map(({ name }) => name))];
}

/** Rejects with a `FileFault`. */
export async function watchFiles(settings: Settings, log: Log, metrics: Metrics): Promise<GatewayFiles> {
  const opened: { close(): void }[] = [];
  async function watch<T>(name: WatchedName, paths: readonly string[], parse: ParseFiles<T>): Promise<WatchedFile<T>> {
    const observer = observeFile(log, metrics, name);
    const file = await WatchedFile.open({ paths, parse, onRejected: observer.rejected });
    if (file.kind === 'issues') throw new FileFault(file.issues.map(formatIssue).join('; '));
    // The ingest port tells of certificates itself, once they are in use.
    if (name !== 'certificate') file.value.onChange(observer.taken);
    opened.push(file.value);
    return file.value;
  }
  async function secret(name: WatchedName, credential: Credential): Promise<Secret> {
    if (credential.kind === 'value') return { current: () => credential.value, onChange: () => {} };
    return watch(name, [credential.path], parseSecretFile);
  }

  const { admin, ingest } = settings;
  const callers = await watchCallers(settings, watch, log);
  const certificate =
    ingest.tls === undefined ? undefined : await watch('certificate', [ingest.tls.cert, ingest.tls.key], parseTlsFiles);
  const sink = await connectSink(settings.sink, watch, (given) => secret('api-token', given));
  const adminToken = admin.token === undefined ? undefined : await secret('admin-token', admin.token);
  return {
    callers,
    certificate,
    adminToken: () => adminToken?.current(),
    sink,
    close: async () => {
      for (const file of opened) file.close();
      await sink.close();
    },
  };
}

export type Watch = <T>(name: WatchedName, paths: readonly string[], parse: ParseFiles<T>) => Promise<WatchedFile<T>>;

/** Says so whenever nobody may send anything. */
async function watchCallers(
  { tokensPath, configPath }: Settings,
  watch: Watch,
  log: Log,
): Promise<GatewayFiles['callers']> {
  const tokens = await watch('tokens', [tokensPath], parseTokens);
  const config = configPath === undefined ? undefined : await watchConfig(configPath, watch);
  const callers = joinedCallers(tokens, { current: () => config?.current().policy ?? NO_POLICY });
  const look = () => {
    if (everyCaller(callers.current()).length === 0) log.error('tokens.empty');
  };
  for (const file of [tokens, config]) file?.onChange(look);
  look();
  return callers;
}

/** Who has no such file need not load YAML. */
async function watchConfig(path: string, watch: Watch): Promise<WatchedFile<ConfigFile>> {
  const { parseConfigFile } = await import('../config/config-file.ts');
  return watch('config', [path], parseConfigFile);
}
