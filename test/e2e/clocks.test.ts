import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Books } from '../support/books.ts';
import { NO_COMPILER } from '../support/preload.ts';
import { ProcessClocks } from '../support/process-clocks.ts';
import { anInstallation, type Installation, type ServingGateway } from '../support/serve-process.ts';
import { anError, CREATED, type PostedEvent, type Reaction, StubBrigade } from '../support/stub-brigade.ts';
import { aPush, eventOf, metricOf, names } from '../support/webhooks.ts';

const MINUTE = 60_000;
const DAY = 86_400_000;
const YEAR = 365 * DAY;

class Rig {
  readonly brigade: StubBrigade;
  readonly installation: Installation;
  readonly clocks: ProcessClocks;
  readonly books: Books;

  private constructor(t: TestContext, brigade: StubBrigade, installation: Installation) {
    this.brigade = brigade;
    this.clocks = new ProcessClocks(t, installation);
    this.installation = { ...installation, env: { ...installation.env, ...this.clocks.env } };
    this.books = new Books(brigade);
  }

  static async start(t: TestContext): Promise<Rig> {
    const brigade = await StubBrigade.start(t);
    return new Rig(t, brigade, await anInstallation(t, brigade.address));
  }

  /** Sends a push and resolves to the number of its event. */
  async send(gateway: ServingGateway, id: string): Promise<number> {
    const { status, text } = await this.books.send(gateway, aPush(id));
    assert.equal(status, 200, text);
    return JSON.parse(text).events[0].seq;
  }

  /** Sends a push; resolves to the number of its event once an attempt to deliver it has ended. */
  async sendAndAttempt(gateway: ServingGateway, id: string): Promise<number> {
    const seq = await this.send(gateway, id);
    await gateway.process.line('delivery.attempted', (line) => line['seq'] === seq);
    return seq;
  }

  async close(): Promise<Awaited<ReturnType<Books['close']>>> {
    return this.books.close(join(this.installation.journalFolder, 'journal.db'));
  }
}

/** Rejects what is named so; of the others, answers 500 to the first attempt of what is named so. */
function firstAttempts(): (event: PostedEvent) => Reaction {
  const seen = new Set<string>();
  return ({ sourceState: { state } }) => {
    if (state.eventID.startsWith('rejected')) return anError(400, 'ValidationError');
    const isFirst = !seen.has(state.eventID);
    seen.add(state.eventID);
    return isFirst && state.eventID.startsWith('uncertain') ? anError(500, 'InternalError') : CREATED;
  };
}

function oldestPendingSeconds(gateway: ServingGateway): Promise<number> {
  return metricOf(gateway, 'acr_gateway_oldest_pending_seconds');
}

async function assertDueSoon(gateway: ServingGateway, seq: number): Promise<void> {
  const dueInMs = Date.parse((await eventOf(gateway, seq)).dueAt ?? '') - Date.now();
  assert.ok(dueInMs > 0 && dueInMs < 2 * MINUTE, `due in ${dueInMs} ms`);
}

test('a clock that is days or years wrong, ahead or behind, strands, repeats and removes no event', {
  skip: NO_COMPILER,
}, async (t) => {
  const rig = await Rig.start(t);
  const { brigade, clocks, books, installation } = rig;
  brigade.onEvent = firstAttempts();

  clocks.set(10 * YEAR);
  const ahead = await books.serve(t, installation);
  const uncertain = await rig.sendAndAttempt(ahead, 'uncertain-ahead');
  const rejected = await rig.sendAndAttempt(ahead, 'rejected');
  await rig.sendAndAttempt(ahead, 'delivered-ahead');
  clocks.set(0);
  await assertDueSoon(ahead, uncertain);
  const seconds = await oldestPendingSeconds(ahead);
  assert.ok(seconds > 0 && seconds < 60, `${seconds} s`);
  await rig.sendAndAttempt(ahead, 'delivered-right');
  await ahead.process.kill();

  clocks.set(31 * DAY);
  const daysAhead = await books.serve(t, installation);
  await rig.sendAndAttempt(daysAhead, 'uncertain-days-ahead');
  // Pruning runs every ten seconds.
  clocks.pass(20_000);
  await rig.sendAndAttempt(daysAhead, 'delivered-days-ahead');
  assert.equal((await eventOf(daysAhead, rejected)).state, 'dead-lettered');
  await daysAhead.process.kill();

  clocks.set(-10 * YEAR);
  const behind = await books.serve(t, installation);
  await rig.sendAndAttempt(behind, 'uncertain-behind');
  clocks.set(0);
  await rig.sendAndAttempt(behind, 'uncertain-right');
  clocks.set(31 * DAY);
  clocks.pass(3 * MINUTE);
  await rig.sendAndAttempt(behind, 'delivered-last');

  await brigade.untilTaken(...books.accepted.filter((id) => id !== 'rejected'));
  assert.equal((await eventOf(behind, rejected)).state, 'dead-lettered');
  behind.process.signal('SIGTERM');
  assert.equal(await behind.process.ended, 0);
  const { acknowledged, delivered, deadLettered } = await rig.close();
  assert.deepEqual([acknowledged, delivered, deadLettered], [9, 8, { rejected: 1 }]);
});

test('attempts that are answered while the process stands still for minutes are not repeated', {
  skip: NO_COMPILER,
}, async (t) => {
  const rig = await Rig.start(t);
  const { brigade, clocks, books, installation } = rig;
  const answer = Promise.withResolvers<void>();
  brigade.onEvent = () => ({ ...CREATED, after: answer.promise });
  const gateway = await books.serve(t, installation);
  const ids = names('answered', 5);
  await Promise.all(ids.map((id) => rig.send(gateway, id)));
  await brigade.until(({ arrivals }) => arrivals.length === ids.length);

  gateway.process.signal('SIGSTOP');
  answer.resolve();
  await brigade.untilTaken(...ids);
  clocks.pass(10 * MINUTE);
  gateway.process.signal('SIGCONT');

  await rig.send(gateway, 'after');
  await brigade.untilTaken('after');
  gateway.process.signal('SIGTERM');
  assert.equal(await gateway.process.ended, 0);
  const { delivered, repeated } = await rig.close();
  assert.deepEqual([delivered, repeated], [ids.length + 1, {}]);
});
