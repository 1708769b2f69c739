import { ADMIN_TOKEN, API_TOKEN, WEBHOOK_TOKEN } from '../support/serve-process.ts';
import { StubBrigade } from '../support/stub-brigade.ts';
import { Cluster } from './cluster.ts';
import { UNFIT } from './node.ts';
import { HOST, IngressProxy } from './proxy.ts';
import { Load } from './sender.ts';

// What senders see of the restart of a single replica, as the chart runs it by default: `npx node test/chart/measure-restart.ts`.
// On one machine the volume and the image are available at once; a cluster adds the time to schedule and to attach.

const RUNS = 3;
const WARM_UP = 200;

interface Restart {
  /** From SIGTERM until webhooks failed, of failing ones, and of starting again; milliseconds. */
  readonly takenFor: number;
  readonly gap: number;
  readonly startUp: number;
  readonly lost: number;
}

async function restart(): Promise<Restart> {
  const cleanups: (() => unknown)[] = [];
  const t = { after: (work: () => unknown) => cleanups.push(work) };
  try {
    const brigade = await StubBrigade.start(t);
    const values = {
      host: HOST,
      brigade: { apiAddress: brigade.address, apiToken: API_TOKEN },
      admin: { token: ADMIN_TOKEN },
      tokens: { ci: WEBHOOK_TOKEN },
    };
    const cluster = await Cluster.install(t, values);
    const pod = await cluster.start(0);
    const proxy = await IngressProxy.start(t, 'nginx', cluster, [pod]);
    const load = new Load({ port: proxy.port, protocol: 'h2' }, WEBHOOK_TOKEN);
    await load.more(WARM_UP);
    const signalledAt = Date.now();
    pod.process.signal('SIGTERM');
    await pod.process.ended;
    const endedAt = Date.now();
    const next = await cluster.start(0);
    const startUp = Date.now() - endedAt;
    await proxy.lead([next]);
    await load.more(WARM_UP);
    const sent = (await load.stop()).toSorted((one, other) => one.to - other.to);
    const lost = sent.filter(({ answer }) => answer !== 200);
    const from = Math.min(...lost.map((each) => each.from));
    const to = Math.min(...sent.filter((each) => each.answer === 200 && each.to > endedAt).map((each) => each.from));
    await brigade.untilTaken(...sent.filter(({ answer }) => answer === 200).map(({ id }) => id));
    return { takenFor: from - signalledAt, gap: to - from, startUp, lost: lost.length };
  } finally {
    for (const work of cleanups) await work();
  }
}

if (UNFIT !== false) throw new Error(UNFIT);
for (let run = 1; run <= RUNS; run++) {
  const { takenFor, gap, startUp, lost } = await restart();
  process.stdout.write(
    `restart ${run}: answers for ${takenFor} ms after SIGTERM, then none for ${gap} ms (${startUp} ms of them to start); ` +
      `${lost} webhooks lost, every accepted one delivered\n`,
  );
}
