/** How a webhook is written. */
export const FORMATS = ['acr'] as const;

export type Format = (typeof FORMATS)[number];

/** Request headers with lower-case names, as `node:http` gives them. */
export type Headers = Readonly<Record<string, string | readonly string[] | undefined>>;

/** One thing wrong with an input: where, what was expected, what was there. Never holds the value itself. */
export interface Issue {
  /** Dotted path into the input, `` for the whole of it. */
  readonly path: string;
  readonly expected: string;
  readonly received: string;
}
