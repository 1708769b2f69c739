import { parseBasicFile, parseCaFile, parseSecretFile } from '../config/file-types.ts';
import type { SinkSettings } from '../config/sink-settings.ts';
import { BrigadeSink } from '../sink/brigade/brigade.ts';
import { CloudEventsSink } from '../sink/cloudevents-http/cloudevents-http.ts';
import { HttpClient, type HttpClientOptions } from '../sink/http-client.ts';
import type { Sink } from '../sink/sink.ts';
import type { Secret, Watch } from './files.ts';

/** What a sink speaks through. Its files are followed as they change. */
export interface SinkConnection {
  /** Made anew when the authority of the server's certificate changes. */
  readonly client: () => HttpClient;
  /** Calls when the credentials were replaced. */
  onCredentialChange(listener: () => void): void;
  close(): Promise<void>;
}

type Identity = Pick<HttpClientOptions, 'scheme' | 'ignoreCertErrors'> & { readonly secret: Secret | undefined };

export async function connectSink(
  settings: SinkSettings,
  watch: Watch,
  secretOf: (credential: Extract<SinkSettings, { kind: 'brigade' }>['token']) => Promise<Secret>,
): Promise<SinkConnection> {
  const { address, caPath } = settings;
  const ca = caPath === undefined ? undefined : await watch('api-ca', [caPath], parseCaFile);
  const { secret, ...identity } =
    settings.kind === 'brigade'
      ? { secret: await secretOf(settings.token), ignoreCertErrors: settings.ignoreCertWarnings }
      : await cloudEventsIdentity(settings, watch);
  const token = () => secret?.current() ?? '';
  const createClient = () => new HttpClient({ address, token, ca: ca?.current(), ...identity });
  let client = createClient();
  ca?.onChange(() => {
    void client.retire();
    client = createClient();
  });
  return {
    client: () => client,
    onCredentialChange: (listener) => secret?.onChange(listener),
    close: () => client.close(),
  };
}

async function cloudEventsIdentity(
  { credential }: Extract<SinkSettings, { kind: 'cloudevents' }>,
  watch: Watch,
): Promise<Identity> {
  if (credential === undefined) return { secret: undefined, ignoreCertErrors: false };
  const { scheme, path } = credential;
  const parse = scheme === 'Basic' ? parseBasicFile : parseSecretFile;
  return { scheme, secret: await watch('api-token', [path], parse), ignoreCertErrors: false };
}

export function createSink(settings: SinkSettings, { client }: SinkConnection): Sink {
  if (settings.kind === 'brigade') return new BrigadeSink({ client, now: Date.now });
  return new CloudEventsSink({ client, mode: settings.mode, now: Date.now });
}
