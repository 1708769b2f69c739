import type { Headers } from './webhook.ts';

/** W3C Trace Context, section 3.2: version, trace, parent and flags. */
const TRACEPARENT = /^[\da-f]{2}-[\da-f]{32}-[\da-f]{16}-[\da-f]{2}$/;

/** The trace of a webhook, where it names one. A CloudEvent in binary mode has a header of its own for it, which comes first. */
export function traceparentOf(headers: Headers): string | undefined {
  const traceparent = headers['ce-traceparent'] ?? headers['traceparent'];
  return typeof traceparent === 'string' && TRACEPARENT.test(traceparent) ? traceparent : undefined;
}
