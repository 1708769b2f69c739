import { parseBasicFile, parseCaFile, parseSecretFile } from '../config/secret-files.ts';
import type { SinkSettings } from '../config/settings.ts';
import { BrigadeSink, messageFor } from '../sink/brigade/brigade.ts';
import { type Examination, examineBrigade } from '../sink/brigade/examine.ts';
import { type Mode, toCloudEvent } from '../sink/cloudevents-http/cloud-event.ts';
import { CloudEventsSink } from '../sink/cloudevents-http/cloudevents-http.ts';
import { HttpClient } from '../sink/http-client.ts';
import type { Explainer, Sink } from '../sink/sink.ts';
import type { FileWatcher, Secret } from './watched-files.ts';

export interface ConnectedSink {
  readonly sink: Sink;
  /** What an operator wants to know of it. Absent for a sink that says nothing of itself. */
  readonly examine?: (signal: AbortSignal) => Promise<Examination>;
  /** Why no project subscribes to an event. Absent for a sink that does not know its subscribers. */
  readonly explain?: Explainer['explain'];
  /** Calls when the sink's token or its authority was replaced: a reason why it was unavailable may be gone. */
  onChange(listener: () => void): void;
}

/** The sink that the settings name. It follows the files of its token and of its authority. Rejects with a `FileFault`. */
export async function connectSink(settings: SinkSettings, watcher: FileWatcher): Promise<ConnectedSink> {
  const { address, caPath } = settings;
  const ca = caPath === undefined ? undefined : await watcher.watch('sink-ca', [caPath], parseCaFile);
  const secret = await watchSecret(settings, watcher);
  const client = new HttpClient({
    address,
    token: () => secret?.current() ?? '',
    scheme: settings.kind === 'cloudevents' && settings.credential?.scheme === 'Basic' ? 'Basic' : 'Bearer',
    ca: ca?.current(),
    ignoreCertErrors: settings.kind === 'brigade' && settings.ignoreCertWarnings,
    now: Date.now,
  });
  ca?.onChange((authority) => client.trust(authority));
  const onChange: ConnectedSink['onChange'] = (listener) => {
    secret?.onChange(listener);
    ca?.onChange(listener);
  };
  if (settings.kind === 'cloudevents') return { sink: new CloudEventsSink(client, settings.mode), onChange };
  const sink = new BrigadeSink(client);
  return {
    sink,
    examine: (signal) => examineBrigade(client, sink, signal),
    explain: (event) => sink.explain(event),
    onChange,
  };
}

/** What a sink would send for an event, without a connection to it. `mode` is that of CloudEvents; absent: the sink is Brigade. */
export function previewOf(mode: Mode | undefined): Pick<Sink, 'preview'> {
  return { preview: (event) => (mode === undefined ? messageFor(event, 'since-2.6') : toCloudEvent(event, mode)) };
}

async function watchSecret(settings: SinkSettings, watcher: FileWatcher): Promise<Secret | undefined> {
  if (settings.kind === 'brigade') return watcher.secret('sink-token', settings.token);
  const { credential } = settings;
  if (credential === undefined) return undefined;
  const parse = credential.scheme === 'Basic' ? parseBasicFile : parseSecretFile;
  return watcher.watch('sink-token', [credential.path], parse);
}
