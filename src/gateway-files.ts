import { parseTokens, type Tokens } from './auth/tokens-file.ts';
import { BrigadeClient } from './brigade/client.ts';
import type { Credential } from './config/credential.ts';
import type { ParseFiles } from './config/file-content.ts';
import { parseCaFile, parseSecretFile, parseTlsFiles, type TlsPair } from './config/file-types.ts';
import type { Settings } from './config/settings.ts';
import { WatchedFile } from './config/watched-file.ts';
import { Fault } from './model/fault.ts';
import { observeFile } from './observe/files.ts';
import type { Log } from './observe/log.ts';
import type { Metrics, WatchedName } from './observe/metrics.ts';

/** A file was fit when the settings were read, and is not any more. */
export class FileFault extends Fault {
  override readonly name = 'FileFault';
  readonly code = 'file_unfit';
}

/** Everything that follows a file, as it is now. */
export interface GatewayFiles {
  readonly tokens: WatchedFile<Tokens>;
  readonly certificate: WatchedFile<TlsPair> | undefined;
  readonly adminToken: () => string | undefined;
  /** Calls when the token for Brigade was replaced. */
  onApiTokenChange(listener: () => void): void;
  /** Made anew when the authority of Brigade's certificate changes. */
  readonly brigadeClient: () => BrigadeClient;
  close(): Promise<void>;
}

/** A secret that was given as it is, or is in a file. */
interface Secret {
  current(): string;
  onChange(listener: () => void): void;
}

/** Rejects with a `FileFault`. */
export async function watchFiles(settings: Settings, log: Log, metrics: Metrics): Promise<GatewayFiles> {
  const opened: { close(): void }[] = [];
  async function watch<T>(name: WatchedName, paths: readonly string[], parse: ParseFiles<T>): Promise<WatchedFile<T>> {
    const observer = observeFile(log, metrics, name);
    const file = await WatchedFile.open({ paths, parse, onRejected: observer.rejected });
    if (file.kind === 'issues') throw new FileFault(`${paths.join(', ')}: expected ${file.issues[0]?.expected}`);
    // The ingest port tells of certificates itself, once they are in use.
    if (name !== 'certificate') file.value.onChange(observer.taken);
    opened.push(file.value);
    return file.value;
  }
  async function secret(name: WatchedName, credential: Credential): Promise<Secret> {
    if (credential.kind === 'value') return { current: () => credential.value, onChange: () => {} };
    return watch(name, [credential.path], parseSecretFile);
  }

  const { api, admin, ingest } = settings;
  const tokens = await watch('tokens', [settings.tokensPath], parseTokens);
  const certificate =
    ingest.tls === undefined ? undefined : await watch('certificate', [ingest.tls.cert, ingest.tls.key], parseTlsFiles);
  const ca = api.caPath === undefined ? undefined : await watch('api-ca', [api.caPath], parseCaFile);
  const token = await secret('api-token', api.token);
  const adminToken = admin.token === undefined ? undefined : await secret('admin-token', admin.token);
  const createClient = () =>
    new BrigadeClient({
      address: api.address,
      token: () => token.current(),
      ca: ca?.current(),
      ignoreCertErrors: api.ignoreCertWarnings,
    });
  let client = createClient();
  ca?.onChange(() => {
    void client.retire();
    client = createClient();
  });
  tokens.onChange((current) => {
    if (current.length === 0) log.error('tokens.empty');
  });
  return {
    tokens,
    certificate,
    adminToken: () => adminToken?.current(),
    onApiTokenChange: (listener) => token.onChange(listener),
    brigadeClient: () => client,
    close: async () => {
      for (const file of opened) file.close();
      await client.close();
    },
  };
}
