/** The formats of webhooks. */
export const FORMATS = ['acr', 'event-grid', 'cloudevents', 'distribution'] as const;

export type Format = (typeof FORMATS)[number];

/** A part of some bytes. */
export interface ByteRange {
  readonly start: number;
  /** The first byte after it. */
  readonly end: number;
}

/** Request headers with lower-case names, as `node:http` gives them. */
export type Headers = Readonly<Record<string, string | readonly string[] | undefined>>;

/** One thing wrong with an input: where, what was expected, what was there. Never holds the value itself. */
export interface Issue {
  /** Dotted path into the input; empty for the whole input. */
  readonly path: string;
  readonly expected: string;
  readonly received: string;
}
