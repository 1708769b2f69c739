import { setTimeout as sleep } from 'node:timers/promises';
import type { redeliveryOf } from '../admin/api/answers.ts';
import { printable } from '../model/printable.ts';
import { type AdminClient, withAdmin } from './admin-client.ts';
import { EXIT_CODES, type ExitCode } from './exit-codes.ts';
import { Table } from './table.ts';
import { print } from './terminal.ts';

/** How often the progress of a redelivery is asked for, milliseconds. */
const PROGRESS_MS = 500;

/** A redelivery of every event that a filter found. */
type Redelivery = ReturnType<typeof redeliveryOf>;

export function listRedeliveries({ json }: { readonly json?: boolean }): Promise<ExitCode> {
  return withAdmin(async (admin) => {
    const { redeliveries }: { redeliveries: readonly Redelivery[] } = await admin.get('/api/redeliveries');
    if (json === true) print(JSON.stringify(redeliveries, null, 2));
    else if (redeliveries.length === 0) print('There are no redeliveries.');
    else redeliveryTable().print(redeliveries);
    return EXIT_CODES.ok.code;
  });
}

export function cancelRedelivery(id: string): Promise<ExitCode> {
  return withAdmin(async (admin) => {
    await admin.delete(`/api/redeliveries/${encodeURIComponent(id)}`);
    print(printable(`${id}  canceled`));
    return EXIT_CODES.ok.code;
  });
}

/** Waits until the redelivery ends. It goes on in the gateway when this command does not. */
export async function followRedelivery(admin: AdminClient, id: string, json: boolean | undefined): Promise<ExitCode> {
  let redelivery: Redelivery;
  for (;;) {
    redelivery = await admin.get(`/api/redeliveries/${encodeURIComponent(id)}`);
    if (redelivery.state !== 'running') break;
    if (process.stderr.isTTY) process.stderr.write(`\r${printable(progressOf(redelivery))}\u001b[K`);
    await sleep(PROGRESS_MS);
  }
  if (process.stderr.isTTY) process.stderr.write('\r\u001b[K');
  print(json === true ? JSON.stringify(redelivery, null, 2) : printable(progressOf(redelivery)));
  const isDone = redelivery.state === 'done' && redelivery.skipped === 0;
  return isDone ? EXIT_CODES.ok.code : EXIT_CODES.failed.code;
}

function progressOf({ state, matches, redelivered, skipped }: Redelivery): string {
  const rest = skipped === 0 ? '' : `, ${skipped} not: show why with "events redeliver NUMBER"`;
  return `${redelivered} of ${matches} redelivered${rest}${state === 'canceled' ? '; canceled' : ''}`;
}

function redeliveryTable(): Table<Redelivery> {
  return new Table({
    columns: [
      { title: 'ID', cell: ({ id }) => id },
      { title: 'STARTED', cell: ({ at }) => at },
      { title: 'BY', cell: ({ by }) => by },
      { title: 'STATE', cell: ({ state }) => state },
      { title: 'DONE', cell: ({ redelivered, matches }) => `${redelivered}/${matches}` },
      { title: 'SKIPPED', cell: ({ skipped }) => skipped },
    ],
    note: {
      title: 'FILTER',
      cell: ({ filter }) =>
        Object.entries(filter)
          .map(([name, value]) => `${name}=${value}`)
          .join(' '),
    },
  });
}
