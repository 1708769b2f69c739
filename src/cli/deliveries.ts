import type { deliveriesOf } from '../admin/api/answers.ts';
import { printable } from '../model/printable.ts';
import { withAdmin } from './admin-client.ts';
import { EXIT_CODES, type ExitCode } from './exit-codes.ts';
import { print } from './terminal.ts';

/** Whether and how fast the gateway delivers. */
type Deliveries = ReturnType<typeof deliveriesOf>;

interface JsonOption {
  readonly json?: boolean;
}

export function showDeliveries({ json }: JsonOption): Promise<ExitCode> {
  return withAdmin(async (admin) => printDeliveries(await admin.get('/api/deliveries'), json));
}

export function pauseDeliveries({ json }: JsonOption): Promise<ExitCode> {
  return withAdmin(async (admin) => printDeliveries(await admin.post('/api/deliveries/pause'), json));
}

export function resumeDeliveries({ json }: JsonOption): Promise<ExitCode> {
  return withAdmin(async (admin) => printDeliveries(await admin.post('/api/deliveries/resume'), json));
}

function printDeliveries(deliveries: Deliveries, json: boolean | undefined): ExitCode {
  if (json === true) print(JSON.stringify(deliveries, null, 2));
  else for (const line of describe(deliveries)) print(printable(line));
  return EXIT_CODES.ok.code;
}

function describe({ paused, breaker, limit, held, pending, oldestPendingAt, sink }: Deliveries): readonly string[] {
  const oldest = oldestPendingAt === undefined ? '' : `, the oldest since ${oldestPendingAt}`;
  return [
    `deliveries  ${paused === undefined ? 'on' : `paused by ${paused.by} since ${paused.at}`}`,
    `breaker     ${breaker}`,
    ...(sink === undefined ? [] : [`sink        ${sink.isReady ? 'ready' : `not ready: ${sink.detail ?? ''}`}`]),
    `attempts    at most ${limit} at a time`,
    `held        ${held}`,
    `pending     ${pending}${oldest}`,
  ];
}
