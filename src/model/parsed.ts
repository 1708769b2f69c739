import type { Issue } from './webhook.ts';

/** The result of reading something that a person wrote: its value, or everything that is wrong with it. */
export type Parsed<T, I = Issue> =
  | { readonly kind: 'value'; readonly value: T }
  | { readonly kind: 'issues'; readonly issues: readonly I[] };
