import { randomInt } from 'node:crypto';
import { killAgainAndAgain } from '../test/support/kill-harness.ts';
import { anInstallation } from '../test/support/serve-process.ts';
import { CREATED, StubBrigade } from '../test/support/stub-brigade.ts';

// node bench/kill.ts [ROUNDS] [SEED]: kills the gateway under load, and fails when an acknowledged event is lost.

const rounds = Number(process.argv[2] ?? 200);
const seed = Number(process.argv[3] ?? randomInt(2 ** 31));
const works: (() => unknown)[] = [];
const cleanup = { after: (work: () => unknown) => works.push(work) };

print(`${rounds} rounds, seed ${seed}`);
try {
  const brigade = await StubBrigade.start(cleanup);
  brigade.onEvent = () => ({ ...CREATED, delayMs: 5 });
  const installation = await anInstallation(cleanup, brigade.address, { LOG_LEVEL: 'info' });
  const options = { rounds, seed, senders: 32, maxLifeMs: 1000 };
  const report = await killAgainAndAgain(cleanup, { installation, brigade }, options);
  const { acknowledged, unacknowledged, unanswered, repeated } = report;
  const resumed = report.resumedAfterMs.toSorted((one, other) => one - other);
  print(`${acknowledged} events acknowledged, all delivered; ${unanswered} webhooks cut off without an answer`);
  print(`${unacknowledged} of their events were stored; deliveries repeated, by reason: ${JSON.stringify(repeated)}`);
  print(
    `from restart to the first resumed delivery, ${resumed.length} restarts with a backlog: ` +
      `median ${resumed[resumed.length >> 1]} ms, longest ${resumed.at(-1)} ms`,
  );
} finally {
  for (const work of works.toReversed()) await work();
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
