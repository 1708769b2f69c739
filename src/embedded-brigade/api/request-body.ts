import { type Checked, detail } from '../schemas/check.ts';
import { type Answer, refuse } from './answer.ts';
import type { ApiRequest } from './router.ts';

export type ReadBody<T> =
  | { readonly kind: 'read'; readonly value: T }
  | { readonly kind: 'refused'; readonly answer: Answer };

/** Reads a body as JSON, whatever its Content-Type: Brigade looks at none, and its own clients send none. */
export async function readJson<T>({ body }: ApiRequest, check: (value: unknown) => Checked<T>): Promise<ReadBody<T>> {
  const text = await body();
  if (text === undefined) return { kind: 'refused', answer: refuse({ kind: 'InternalServerError' }) };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // Brigade does not say what is wrong with it.
    return badRequest('Request body contains malformed JSON');
  }
  const checked = check(value);
  if (checked.kind === 'valid') return { kind: 'read', value: checked.value };
  return badRequest('Request body failed JSON validation', checked.violations.map(detail));
}

function badRequest(reason: string, details?: readonly string[]): ReadBody<never> {
  return { kind: 'refused', answer: refuse({ kind: 'BadRequestError', reason, ...(details && { details }) }) };
}
