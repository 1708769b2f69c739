import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { DEAD_LETTER_REASONS, UNAVAILABLE_REASONS } from '../model/receipt.ts';

/** How often the delay of the event loop is measured, milliseconds. Each time wakes the process, also when it is idle. */
const EVENT_LOOP_MS = 100;

/** The most values that `caller` and `registry` have beside `other`. Each caller has 16 series. */
const MAX_NAMES = 100;

/** Labels whose values are names from the configuration: `setNames` says which. Every other name counts as `other`. */
const NAMED_LABELS = ['caller', 'registry'] as const;
const OTHER = 'other';
const CALLERS = 'the names of your callers, at most 100; `other` for all others, and for requests without a caller';
const REGISTRIES = 'the registries that your configuration and tokens file name, at most 100; `other` for all others';

/** What a metric is, and which series it may have. */
export interface MetricDeclaration {
  readonly kind: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  /**
   * Label names with all their values, or with a text that says where the values come from: the configuration or the program,
   * never a webhook.
   */
  readonly labels?: Readonly<Record<string, readonly string[] | string>>;
  /** Upper bounds, seconds. */
  readonly buckets?: readonly number[];
}

const ANSWERS = [
  'receipt',
  'handshake',
  'unauthenticated',
  'unverifiable',
  'out-of-scope',
  'unreadable',
  'too-large',
  'incomplete',
  'too-many',
  'overloaded',
  'unavailable',
  'fault',
] as const;
const RESULTS = ['accepted', 'duplicate', 'ignored', 'dead-lettered'] as const;
const REQUEST_REJECTIONS = [
  'malformed',
  'unsupported',
  'headers-too-large',
  'too-slow',
  'unknown-path',
  'redirected',
  'wrong-method',
  'tls-handshake-failed',
  'too-many-connections',
  'too-many-unanswered',
  'unread-answers',
] as const;
const FILES = ['config', 'tokens', 'certificate', 'sink-token', 'sink-ca', 'admin-token', 'admin-tokens'] as const;

/** Up to the five seconds that ACR waits. */
const WEBHOOK_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];
/** Up to the 90 seconds that an attempt may take. */
const ATTEMPT_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 15, 60, 90];
/** Up to the 7 days for which an event is retried. */
const DELAY_SECONDS = [0.01, 0.05, 0.25, 1, 5, 30, 120, 600, 3600, 21_600, 86_400, 604_800];

/** Every metric of the gateway. `docs/metrics.md` is generated from this table. */
export const METRICS = {
  acr_gateway_webhooks_total: {
    kind: 'counter',
    help: 'Webhooks (POST /events) and requests for permission to send (OPTIONS), by answer and caller.',
    labels: { answer: ANSWERS, caller: CALLERS },
  },
  acr_gateway_webhook_duration_seconds: {
    kind: 'histogram',
    help: 'Acknowledgement: time from the headers of a webhook to its receipt.',
    buckets: WEBHOOK_SECONDS,
  },
  acr_gateway_events_total: {
    kind: 'counter',
    help: 'Events in webhooks, by result and caller.',
    labels: { result: RESULTS, caller: CALLERS },
  },
  acr_gateway_lost_events_total: {
    kind: 'counter',
    help: 'Events answered 503 because the journal could not keep them. ACR itself does not send them again.',
    labels: { reason: UNAVAILABLE_REASONS },
  },
  acr_gateway_stored_late_events_total: {
    kind: 'counter',
    help: 'Of the lost events, those that the journal stored after the answer. They are delivered, and counted by result as well.',
  },
  acr_gateway_rejected_requests_total: {
    kind: 'counter',
    help: 'Connections and requests that were rejected before they were a webhook.',
    labels: { reason: REQUEST_REJECTIONS },
  },
  acr_gateway_attempts_total: {
    kind: 'counter',
    help: 'Attempts to deliver, by outcome.',
    labels: { outcome: ['delivered', 'rejected', 'unavailable', 'uncertain'] },
  },
  acr_gateway_attempt_duration_seconds: {
    kind: 'histogram',
    help: 'Duration of an attempt to deliver.',
    buckets: ATTEMPT_SECONDS,
  },
  acr_gateway_delivery_delay_seconds: {
    kind: 'histogram',
    help: 'End to end: time from the arrival of an event to its delivery.',
    buckets: DELAY_SECONDS,
  },
  acr_gateway_unmatched_total: {
    kind: 'counter',
    help: 'Delivered events to which no project subscribes, by registry.',
    labels: { registry: REGISTRIES },
  },
  acr_gateway_dead_lettered_total: {
    kind: 'counter',
    help: 'Events that became dead letters. Damaged records are counted by acr_gateway_damaged_records alone.',
    labels: { reason: DEAD_LETTER_REASONS },
  },
  acr_gateway_pruned_dead_letters_total: {
    kind: 'counter',
    help: 'Dead letters that were deleted before their time because their caller, or all callers, had more than a share of the journal.',
  },
  acr_gateway_stale_completions_total: {
    kind: 'counter',
    help: 'Decisions that the journal did not take because the event had been claimed again.',
  },
  acr_gateway_sink_up: {
    kind: 'gauge',
    help: '0 while the breaker is open, and after that while events wait and none has been delivered; else 1.',
  },
  acr_gateway_breaker_open: { kind: 'gauge', help: '1 while no event is delivered because the sink takes none.' },
  acr_gateway_paused: { kind: 'gauge', help: '1 while an operator has paused deliveries.' },
  acr_gateway_attempts_limit: { kind: 'gauge', help: 'How many attempts may run at the same time.' },
  acr_gateway_held_events: { kind: 'gauge', help: 'Events claimed from the journal and not yet completed.' },
  acr_gateway_pending_events: { kind: 'gauge', help: 'Events that wait for their delivery.' },
  acr_gateway_oldest_pending_seconds: { kind: 'gauge', help: 'Age of the oldest pending event, 0 if there is none.' },
  acr_gateway_dead_letters: { kind: 'gauge', help: 'Dead letters in the journal.' },
  acr_gateway_oldest_dead_letter_seconds: {
    kind: 'gauge',
    help: 'Age of the oldest dead letter, 0 if there is none. At 2592000 (30 days) it is deleted.',
  },
  acr_gateway_journal_bytes: { kind: 'gauge', help: 'Size of the journal, without free space inside the file.' },
  acr_gateway_damaged_records: {
    kind: 'gauge',
    help: 'Records that failed their checksum since the start, and became dead letters.',
  },
  acr_gateway_certificate_expiry_timestamp_seconds: {
    kind: 'gauge',
    help: 'When the certificate of the ingest port expires, seconds since 1970. Absent without TLS.',
    labels: { file: ['certificate'] },
  },
  acr_gateway_build_info: {
    kind: 'gauge',
    help: 'Always 1. Its label is the version of the gateway.',
    labels: { version: 'the version' },
  },
  acr_gateway_reloads_total: {
    kind: 'counter',
    help: 'New contents of watched files, by result.',
    labels: { file: FILES, result: ['taken', 'rejected'] },
  },
  acr_gateway_faults_total: {
    kind: 'counter',
    help: 'Unexpected failures, by where they were caught.',
    labels: { edge: ['http', 'deliver', 'journal'] },
  },
} as const satisfies Readonly<Record<string, MetricDeclaration>>;

type Name = keyof typeof METRICS;
type NameOf<K extends MetricDeclaration['kind']> = {
  [N in Name]: (typeof METRICS)[N]['kind'] extends K ? N : never;
}[Name];
type LabelsOf<N extends Name> = (typeof METRICS)[N] extends { readonly labels: infer L }
  ? { readonly [K in keyof L]: L[K] extends readonly (infer V)[] ? V : string | undefined }
  : undefined;
type NamedLabel = (typeof NAMED_LABELS)[number];

export type WatchedName = (typeof FILES)[number];

/** The metrics of one process, in the Prometheus format. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #counters = new Map<string, Counter>();
  readonly #gauges = new Map<string, Gauge>();
  readonly #histograms = new Map<string, Histogram>();
  readonly #names: Record<NamedLabel, ReadonlySet<string>> = { caller: new Set(), registry: new Set() };

  constructor() {
    for (const [name, declaration] of Object.entries<MetricDeclaration>(METRICS)) this.#create(name, declaration);
  }

  /** Adds prom-client's metrics of the process and of Node, which need timers. */
  watchProcess(): void {
    collectDefaultMetrics({ register: this.#registry, eventLoopMonitoringPrecision: EVENT_LOOP_MS });
  }

  /** Sets the values that a label has beside `other`, after each change of the configuration. Series of other names end. */
  setNames(label: NamedLabel, names: readonly string[]): void {
    const known = new Set([...new Set(names)].slice(0, MAX_NAMES));
    const gone = [...this.#names[label]].filter((name) => !known.has(name));
    this.#names[label] = known;
    for (const [name, { labels = {} }] of Object.entries<MetricDeclaration>(METRICS)) {
      const counter = this.#counters.get(name);
      if (counter === undefined || labels[label] === undefined) continue;
      for (const each of combinationsOf({ ...labels, [label]: gone })) counter.remove(each);
      for (const each of combinationsOf({ ...labels, [label]: [...known] })) counter.inc(each, 0);
    }
  }

  count<N extends NameOf<'counter'>>(name: N, labels?: LabelsOf<N>, by = 1): void {
    if (labels === undefined) this.#counters.get(name)?.inc(by);
    else this.#counters.get(name)?.inc(this.#bounded(labels), by);
  }

  set<N extends NameOf<'gauge'>>(name: N, value: number, labels?: LabelsOf<N>): void {
    if (labels === undefined) this.#gauges.get(name)?.set(value);
    else this.#gauges.get(name)?.set({ ...labels }, value);
  }

  observe(name: NameOf<'histogram'>, seconds: number): void {
    this.#histograms.get(name)?.observe(seconds);
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }

  /** The labels, with `other` in place of every name that is not known. */
  #bounded(labels: Readonly<Record<string, string | undefined>>): Record<string, string> {
    const bounded: Record<string, string> = {};
    for (const [label, value = OTHER] of Object.entries(labels)) {
      const isUnknown = isNamedLabel(label) && !this.#names[label].has(value);
      bounded[label] = isUnknown ? OTHER : value;
    }
    return bounded;
  }

  #create(name: string, { kind, help, labels = {}, buckets = [] }: MetricDeclaration): void {
    const config = { name, help, labelNames: Object.keys(labels), registers: [this.#registry] };
    if (kind === 'gauge') this.#gauges.set(name, new Gauge(config));
    else if (kind === 'histogram') this.#histograms.set(name, new Histogram({ ...config, buckets: [...buckets] }));
    else this.#counters.set(name, zeroed(new Counter(config), labels));
  }
}

/** Every series exists from the start, so that the first failure is an increase of a series and not a new one. */
function zeroed(counter: Counter, labels: NonNullable<MetricDeclaration['labels']>): Counter {
  for (const each of combinationsOf(labels)) counter.inc(each, 0);
  return counter;
}

function combinationsOf(labels: NonNullable<MetricDeclaration['labels']>): readonly Record<string, string>[] {
  return Object.entries(labels).reduce<Record<string, string>[]>(
    (sets, [label, values]) => {
      const listed = typeof values === 'string' ? [OTHER] : values;
      return sets.flatMap((set) => listed.map((value) => ({ ...set, [label]: value })));
    },
    [{}],
  );
}

function isNamedLabel(label: string): label is NamedLabel {
  return NAMED_LABELS.some((each) => each === label);
}
