/** W3C Trace Context, section 3.2: version, trace, parent and flags. */
const TRACEPARENT = /^[\da-f]{2}-[\da-f]{32}-[\da-f]{16}-[\da-f]{2}$/;

/** The trace to which a webhook says that it belongs, as a claim has it; a CloudEvent may say so in a header of its own. */
export function traceOf(headers: Readonly<Record<string, string>>): { readonly traceparent?: string } {
  const traceparent = headers['ce-traceparent'] ?? headers['traceparent'];
  return traceparent !== undefined && TRACEPARENT.test(traceparent) ? { traceparent } : {};
}
