/** The fields of an answer of Brigade that the gateway reads. Nothing is known of their values. */
export interface BrigadeAnswer {
  readonly kind?: unknown;
  readonly metadata?: unknown;
  readonly items?: unknown;
  readonly reason?: unknown;
  readonly details?: unknown;
  readonly type?: unknown;
  readonly id?: unknown;
  /** Brigade writes it so. */
  readonly Version?: unknown;
}

/** Undefined unless the body is a JSON object. */
export function parse(body: string): BrigadeAnswer | undefined {
  try {
    const json: unknown = JSON.parse(body);
    return isObject(json) ? json : undefined;
  } catch {
    return undefined;
  }
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

/** Empty for anything but a string: an object from JSON may not even convert to one. */
export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
