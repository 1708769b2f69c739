/** One thing wrong with what a person wrote. It never repeats a value, which may be a secret. */
export interface ParseIssue {
  /** The file that it is in. Absent: the environment, a request, or a file that the reader of the issue knows. */
  readonly file?: string;
  /** Both count from 1. */
  readonly line?: number;
  readonly column?: number;
  /** Dotted path to the value; `` for the whole. */
  readonly path: string;
  /** What is wrong: `must be a GUID`, or a sentence where `path` is empty. */
  readonly message: string;
}

/** The value that was read, or everything that is wrong with what was written. */
export type Parsed<T> =
  | { readonly kind: 'value'; readonly value: T }
  | { readonly kind: 'issues'; readonly issues: readonly ParseIssue[] };
