import {
  type Context,
  isSpanContextValid,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { defaultResource, detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources';
import {
  BatchSpanProcessor,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace';
import type { Intake } from '../journal/journal.ts';
import { traceparentOf } from '../model/traceparent.ts';
import type { Receive } from '../receive/incoming-webhook.ts';
import type { Sink } from '../sink/sink.ts';

/** Spans that wait to be sent. What comes while so many wait is lost. */
const MAX_QUEUED = 2048;

/** A span is sent after so many milliseconds, with the others of that time. */
const SEND_EVERY_MS = 1000;

/** How long the end of the process waits for the collector, milliseconds. */
const SHUTDOWN_MS = 2000;

export interface TracesOptions {
  /** Address of a collector, without the path and its slash. */
  readonly endpoint: string;
  /** Of the traces that begin here, from 0 to 1. A caller that sends a trace has decided for itself. */
  readonly share: number;
}

/**
 * One trace for each webhook, across the journal: `webhook`, below it `append`, and one `deliver` for each attempt, however much
 * later. The way from one to the next is the `traceparent` of the data: no stage knows of spans. Importing this file loads
 * OpenTelemetry.
 */
export class Traces {
  readonly #provider: TracerProvider;
  readonly #tracer: Tracer;

  /** OpenTelemetry reads other variables of its specification itself, such as those of headers and resource attributes. */
  constructor({ endpoint, share }: TracesOptions) {
    const exporter = new OTLPTraceExporter({ url: `${endpoint}/v1/traces` });
    const named = resourceFromAttributes({ 'service.name': 'brigade-acr-gateway' });
    this.#provider = new TracerProvider({
      resource: defaultResource()
        .merge(named)
        .merge(detectResources({ detectors: [envDetector] })),
      sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(share) }),
      spanProcessors: [
        new BatchSpanProcessor({ exporter, maxQueueSize: MAX_QUEUED, scheduledDelayMillis: SEND_EVERY_MS }),
      ],
    });
    this.#tracer = this.#provider.getTracer('brigade-acr-gateway');
  }

  /** Webhooks without valid credentials have no span: anyone could send them. */
  ofWebhooks(receive: Receive): Receive {
    return async (webhook) => {
      const span = this.#start('webhook', SpanKind.SERVER, traceparentOf(webhook.headers));
      const { caller, answer } = await receive({ ...webhook, traceparent: traceparentFor(span) });
      if (caller !== undefined) {
        span.setAttributes({ 'acr_gateway.caller': caller, 'acr_gateway.answer': answer.kind });
        if (answer.kind === 'unavailable') span.setStatus({ code: SpanStatusCode.ERROR, message: answer.reason });
        span.end();
      }
      return { ...(caller === undefined ? {} : { caller }), answer };
    };
  }

  ofAppends(intake: Pick<Intake, 'append'>): Intake {
    return {
      append: async (records, since) => {
        const span = this.#start('append', SpanKind.INTERNAL, records[0]?.traceparent);
        const outcome = await intake.append(records, since);
        span.setAttribute('acr_gateway.events', records.length);
        if (outcome.kind === 'unavailable') span.setStatus({ code: SpanStatusCode.ERROR, message: outcome.reason });
        span.end();
        return outcome;
      },
    };
  }

  ofAttempts(sink: Sink): Sink {
    return {
      deliver: async (claim, signal) => {
        const span = this.#start('deliver', SpanKind.CLIENT, claim.traceparent);
        const { action, registry, repository, tag, digest } = claim.event;
        span.setAttributes({
          'acr_gateway.seq': claim.seq,
          'acr_gateway.caller': claim.caller,
          'acr_gateway.delivery': claim.delivery,
          'acr_gateway.attempt': claim.history.attempts + 1,
          'acr_gateway.action': action,
          ...(registry === undefined ? {} : { 'acr_gateway.registry': registry }),
          ...(repository === undefined ? {} : { 'acr_gateway.repository': repository }),
          ...(tag === undefined ? {} : { 'acr_gateway.tag': tag }),
          ...(digest === undefined ? {} : { 'acr_gateway.digest': digest }),
        });
        const outcome = await sink.deliver(claim, signal, traceparentFor(span));
        span.setAttribute('acr_gateway.outcome', outcome.kind);
        if (outcome.kind !== 'delivered') span.setStatus({ code: SpanStatusCode.ERROR, message: outcome.detail });
        else if (outcome.created !== undefined) span.setAttribute('acr_gateway.created', outcome.created.length);
        span.end();
        return outcome;
      },
      preview: (event) => sink.preview(event),
      probe: (signal) => sink.probe(signal),
      close: () => sink.close(),
    };
  }

  /** Sends what waits, if the collector takes it in time. */
  async close(): Promise<void> {
    const late = new Promise((resolve) => setTimeout(resolve, SHUTDOWN_MS).unref());
    await Promise.race([this.#provider.shutdown().catch(() => {}), late]);
  }

  #start(name: string, kind: SpanKind, traceparent: string | undefined): Span {
    return this.#tracer.startSpan(name, { kind }, contextOf(traceparent));
  }
}

function contextOf(traceparent: string | undefined): Context {
  const [, traceId = '', spanId = '', flags = ''] = traceparent?.split('-') ?? [];
  const parent = { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true };
  return isSpanContextValid(parent) ? trace.setSpanContext(ROOT_CONTEXT, parent) : ROOT_CONTEXT;
}

function traceparentFor(span: Span): string {
  const { traceId, spanId, traceFlags } = span.spanContext();
  return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`;
}
