import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, suite, test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { anInstallation, type Env, run, type ServingGateway, serve } from '../support/serve-process.ts';
import { anError, type Cleanup, CREATED, type Reaction, StubBrigade } from '../support/stub-brigade.ts';
import { type AdminEvent, aPush, eventOf, metricOf, names, operatorEnv, push } from '../support/webhooks.ts';

const SUCCESSFUL_GARBAGE: Reaction = { kind: 'answer', status: 201, body: '<html>welcome</html>' };

async function aGateway(
  t: Cleanup,
  env: Env = {},
): Promise<{ readonly brigade: StubBrigade; readonly gateway: ServingGateway }> {
  const brigade = await StubBrigade.start(t);
  const gateway = await serve(t, await anInstallation(t, brigade.address, env));
  return { brigade, gateway };
}

/** Sends pushes of these names at once; each must be accepted. */
async function pushAll(gateway: ServingGateway, names: readonly string[]): Promise<readonly number[]> {
  return Promise.all(names.map((name) => push(gateway, name)));
}

/** The event once the journal has recorded its attempt. */
async function afterAttempt(gateway: ServingGateway, seq: number): Promise<AdminEvent> {
  await gateway.process.line('delivery.attempted', (line) => line['seq'] === seq);
  return eventOf(gateway, seq);
}

function dueInMs({ dueAt, attempts }: AdminEvent): number {
  return Date.parse(dueAt ?? assert.fail('no longer due')) - Date.parse(attempts.at(-1)?.at ?? '');
}

suite('while Brigade is down or rejects the token', { concurrency: 4 }, () => {
  test('events wait, and each is delivered once when Brigade is back', async (t) => {
    const { brigade, gateway } = await aGateway(t);
    await brigade.goDown();
    const ids = names('down', 20);
    await pushAll(gateway, ids);
    await gateway.process.line('breaker.opened');
    await push(gateway, 'down-later');
    await brigade.comeBack();
    await brigade.untilTaken(...ids, 'down-later');
    await push(gateway, 'after');
    await brigade.untilTaken('after');
    assert.deepEqual([...brigade.ids].sort(), [...ids, 'down-later', 'after'].sort());
  });

  test('sixty events that Brigade always answers with 500 do not hold up the ten behind them', async (t) => {
    const { brigade, gateway } = await aGateway(t);
    const { promise: later, resolve: answer } = Promise.withResolvers<void>();
    brigade.onEvent = ({ sourceState: { state } }) =>
      state.eventID.startsWith('poison') ? { kind: 'answer', status: 500, after: later } : CREATED;
    const good = names('good', 10);
    await pushAll(gateway, names('poison', 60));
    await pushAll(gateway, good);
    answer();
    await brigade.untilTaken(...good);
    const poisonAttempts = brigade.ids.filter((id) => id.startsWith('poison')).length;
    assert.ok(poisonAttempts < 30, `${poisonAttempts} attempts`);
  });

  test('a gateway that starts accepts events and delivers them later', async (t) => {
    const brigade = await StubBrigade.start(t);
    const installation = await anInstallation(t, brigade.address);
    await brigade.goDown();
    const gateway = await serve(t, installation);
    const { level } = await gateway.process.line('sink.unready');
    assert.equal(level, 'warn');
    assert.equal(await metricOf(gateway, 'acr_gateway_sink_up'), 0);
    await push(gateway, 'early');
    await brigade.comeBack();
    await brigade.untilTaken('early');
  });

  test('two events that wait are enough for `acr_gateway_sink_up` to fall, and rise when they are delivered', async (t) => {
    const { brigade, gateway } = await aGateway(t);
    await gateway.process.line('sink.ready');
    const isUp = async (value: 0 | 1) => (await metricOf(gateway, 'acr_gateway_sink_up')) === value;
    assert.ok(await isUp(1));
    await brigade.goDown();
    await pushAll(gateway, ['first', 'second']);
    await eventually('the sink counts as down', () => isUp(0));
    await brigade.comeBack();
    await brigade.untilTaken('first', 'second');
    await eventually('the sink counts as up', () => isUp(1));
  });

  test('a rejected token opens the breaker, is logged as an error and costs no event an attempt', async (t) => {
    const { brigade, gateway } = await aGateway(t);
    await gateway.process.line('sink.ready');
    brigade.onEvent = () => anError(401, 'the token is not valid');
    const first = await push(gateway, 'first');
    const { level, detail } = await gateway.process.line('breaker.opened');
    assert.equal(level, 'error');
    assert.match(String(detail), /401 the token is not valid/);
    const line = await gateway.process.line('delivery.attempted');
    assert.equal(line['attempt'], 1);
    assert.equal(line['decision'], 'retry');
    const second = await push(gateway, 'second');
    assert.deepEqual((await eventOf(gateway, second)).attempts, []);
    assert.equal((await afterAttempt(gateway, first)).state, 'pending');
    assert.deepEqual(brigade.ids, ['first']);
  });

  test('a token that is rejected at the start is logged as an error, and webhooks are accepted', async (t) => {
    const brigade = await StubBrigade.start(t);
    brigade.onProbe = () => anError(403, 'not allowed');
    brigade.onEvent = () => anError(403, 'not allowed');
    const gateway = await serve(t, await anInstallation(t, brigade.address));
    const { level, detail } = await gateway.process.line('sink.credentials_rejected');
    assert.equal(level, 'error');
    assert.match(String(detail), /403 not allowed/);
    await push(gateway, 'kept');
    await gateway.process.line('breaker.opened');
    assert.equal(brigade.taken.size, 0);
  });

  test('the next attempt uses a replaced token file', async (t) => {
    const brigade = await StubBrigade.start(t);
    const { folder, env } = await anInstallation(t, brigade.address);
    const path = join(folder, 'sink-token');
    await writeFile(path, 'old-token\n');
    const { API_TOKEN: _, ...others } = env;
    const gateway = await serve(t, { env: { ...others, API_TOKEN_PATH: path } });
    await push(gateway, 'with-the-old');
    await brigade.untilTaken('with-the-old');
    await writeFile(path, 'new-token\n');
    await gateway.process.line('file.reloaded', (line) => line['file'] === 'sink-token');
    await push(gateway, 'with-the-new');
    await brigade.untilTaken('with-the-new');
    assert.deepEqual(
      brigade.arrivals.map(({ id, token }) => [id, token]),
      [
        ['with-the-old', 'old-token'],
        ['with-the-new', 'new-token'],
      ],
    );
  });
});

// One gateway for all of these tests: in each, Brigade fails only for the test's own events.
const { brigade, gateway } = await aGateway({ after });

suite('while Brigade fails for some events', () => {
  /** Lets Brigade react in this way to events whose id begins with the prefix, and create all others. */
  function reactTo(prefix: string, reaction: (id: string) => Reaction): void {
    brigade.onEvent = ({ sourceState: { state } }) =>
      state.eventID.startsWith(prefix) ? reaction(state.eventID) : CREATED;
  }

  test('a slow answer slows no webhook down, and each event is delivered once', async () => {
    const { promise: later, resolve: answer } = Promise.withResolvers<void>();
    reactTo('slow', () => ({ ...CREATED, after: later }));
    const ids = names('slow', 20);
    const seqs = await pushAll(gateway, ids);
    const events = await Promise.all(seqs.map((seq) => eventOf(gateway, seq)));
    assert.ok(events.every(({ attempts }) => attempts.length === 0));
    answer();
    await brigade.untilTaken(...ids);
    await Promise.all(seqs.map((seq) => afterAttempt(gateway, seq)));
    assert.deepEqual([...brigade.ids].sort(), [...ids].sort());
  });

  for (const [what, id, reaction] of [
    ['a 500', 'error', anError(500, 'the broker is gone')],
    ['a 201 that is no list of events', 'garbage', SUCCESSFUL_GARBAGE],
    ['a reset after the request went out', 'reset', { kind: 'reset' }],
  ] as const) {
    test(`after ${what} the outcome is uncertain, so the event is kept and waits for minutes`, async () => {
      reactTo(id, () => reaction);
      const event = await afterAttempt(gateway, await push(gateway, id));
      assert.equal(event.state, 'pending');
      assert.equal(event.attempts.length, 1);
      assert.equal(event.attempts[0]?.outcome.kind, 'uncertain');
      assert.equal(event.attempts[0]?.decision, 'retry');
      assert.ok(dueInMs(event) >= 60_000, `due after ${dueInMs(event)} ms`);
      // A success closes the series of failures, which would open the breaker.
      await push(gateway, `after-${id}`);
      await brigade.untilTaken(`after-${id}`);
    });
  }

  test('what Brigade rejects becomes a dead letter at once, whichever status it answers', async () => {
    const statuses = [400, 404, 409, 413, 422];
    reactTo('rejected-', (id) => anError(Number(id.slice(-3)), 'no'));
    for (const status of statuses) {
      const id = `rejected-${status}`;
      const { state, deadLetter, attempts } = await afterAttempt(gateway, await push(gateway, id));
      assert.deepEqual([state, deadLetter?.reason, deadLetter?.detail], ['dead-lettered', 'rejected', `${status} no`]);
      assert.equal(attempts.length, 1);
      assert.equal(brigade.arrivalsOf(id).length, 1);
    }
  });

  test('an operator lists, shows and redelivers a dead letter', async (t) => {
    reactTo('letter', () => anError(404, 'Brigade said why'));
    const seq = await push(gateway, 'letter');
    await afterAttempt(gateway, seq);
    const env = operatorEnv(gateway);
    const list = await run(t, ['dead-letters', 'list', '--limit', '1'], env);
    assert.equal(list.code, 0);
    assert.match(
      list.output,
      new RegExp(`^${seq}  .*rejected.*example.azurecr.io/hello-world:v1.*404 Brigade said why$`),
    );
    const show = await run(t, ['dead-letters', 'show', String(seq)], env);
    assert.equal(show.code, 0);
    const shown = JSON.parse(show.output);
    assert.equal(shown.deadLetter.detail, '404 Brigade said why');
    assert.equal(shown.payload, aPush('letter'));
    reactTo('letter', () => CREATED);
    const redeliver = await run(t, ['dead-letters', 'redeliver', String(seq)], env);
    assert.deepEqual([redeliver.code, redeliver.output], [0, `${seq}  redelivered`]);
    await brigade.untilTaken('letter');
    const deliveries = brigade.arrivalsOf('letter').map(({ event }) => event.sourceState.state.delivery);
    assert.deepEqual(deliveries, ['1', '2']);
    assert.doesNotMatch((await run(t, ['dead-letters', 'list'], env)).output, new RegExp(`^${seq} `, 'm'));
  });

  test('an event that gets no answer delays no other', async () => {
    reactTo('hanging', () => ({ kind: 'hang' }));
    await push(gateway, 'hanging');
    await brigade.until((stub) => stub.ids.includes('hanging'));
    const others = names('beside-hanging', 20);
    await pushAll(gateway, others);
    await brigade.untilTaken(...others);
    assert.equal(brigade.arrivalsOf('hanging').length, 1);
  });

  test('three events that always get a 500 do not stop the others', async () => {
    reactTo('poison', () => anError(500, 'no worker could be made'));
    const poison = await pushAll(gateway, names('poison', 3));
    const wholesome = names('wholesome', 20);
    await pushAll(gateway, wholesome);
    await brigade.untilTaken(...wholesome);
    for (const seq of poison) {
      const { state, attempts } = await afterAttempt(gateway, seq);
      assert.equal(state, 'pending');
      assert.equal(attempts.length, 1);
    }
  });

  test('a Retry-After is respected', async () => {
    let answers = 0;
    reactTo('patient', () => {
      answers += 1;
      return answers === 1 ? anError(429, 'too many', { 'retry-after': '2' }) : CREATED;
    });
    const seq = await push(gateway, 'patient');
    const { attempts, state } = await afterAttempt(gateway, seq);
    assert.equal(attempts[0]?.outcome.kind, 'unavailable');
    assert.equal(attempts[0]?.decision, 'retry');
    assert.notEqual(state, 'dead-lettered');
    await brigade.untilTaken('patient');
    const [first, second] = brigade.arrivalsOf('patient');
    assert.ok((second?.at ?? 0) - (first?.at ?? 0) >= 2_000, 'it was sent again too early');
  });
});
