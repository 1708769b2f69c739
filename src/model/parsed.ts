import type { Issue } from './webhook.ts';

/** What came of reading something that a human wrote: its value, or everything that is wrong with it. */
export type Parsed<T, I = Issue> =
  | { readonly kind: 'value'; readonly value: T }
  | { readonly kind: 'issues'; readonly issues: readonly I[] };
