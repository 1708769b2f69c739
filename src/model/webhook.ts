/** How a webhook is written. */
export const FORMATS = ['acr', 'event-grid', 'cloudevents', 'distribution'] as const;

export type Format = (typeof FORMATS)[number];

/** Part of the bytes of something. */
export interface ByteRange {
  readonly start: number;
  /** Of the first byte that is not in it. */
  readonly end: number;
}

/** Request headers with lower-case names, as `node:http` gives them. */
export type Headers = Readonly<Record<string, string | readonly string[] | undefined>>;

/** One thing wrong with an input: where, what was expected, what was there. Never holds the value itself. */
export interface Issue {
  /** Dotted path into the input, `` for the whole of it. */
  readonly path: string;
  readonly expected: string;
  readonly received: string;
}
