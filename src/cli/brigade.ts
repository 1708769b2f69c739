import { main } from 'embedded-brigade/cli';
import { unmatchedSubscriptions } from '../sink/brigade/unmatched-subscriptions.ts';
import type { ExitCode } from './exit-codes.ts';

/** Runs the embedded Brigade alone until a signal. Never rejects. */
export function brigade(args: readonly string[]): Promise<ExitCode> {
  return main(args, { name: 'brigade-acr-gateway brigade', examine: unmatchedSubscriptions });
}
