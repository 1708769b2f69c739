import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite, type TestContext, test } from 'node:test';
import { anInstallation, type Env, run, type ServingGateway, serve } from '../support/serve-process.ts';
import { anError, CREATED, type Reaction, StubBrigade } from '../support/stub-brigade.ts';
import { type AdminEvent, aPush, eventOf, operatorEnv, push } from '../support/webhooks.ts';

const SUCCESSFUL_GARBAGE: Reaction = { kind: 'answer', status: 201, body: '<html>welcome</html>' };

async function aGateway(
  t: TestContext,
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

/** The names of so many events. */
function names(prefix: string, count: number): readonly string[] {
  return Array.from({ length: count }, (_, number) => `${prefix}-${number}`);
}

/** The event once its attempt is written down. */
async function afterAttempt(gateway: ServingGateway, seq: number): Promise<AdminEvent> {
  await gateway.process.line('delivery.attempted', (line) => line['seq'] === seq);
  return eventOf(gateway, seq);
}

function dueInMs({ dueAt, attempts }: AdminEvent): number {
  return Date.parse(dueAt ?? assert.fail('not due any more')) - Date.parse(attempts.at(-1)?.at ?? '');
}

suite('while Brigade fails', { concurrency: 4 }, () => {
  test('events that came while Brigade was down are delivered, each once, when it is back', async (t) => {
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

  test('a gateway that starts while Brigade is down accepts events and delivers them later', async (t) => {
    const brigade = await StubBrigade.start(t);
    const installation = await anInstallation(t, brigade.address);
    await brigade.goDown();
    const gateway = await serve(t, installation);
    const { level } = await gateway.process.line('sink.unready');
    assert.equal(level, 'warn');
    await push(gateway, 'early');
    await gateway.process.line('delivery.attempted');
    await brigade.comeBack();
    await brigade.untilTaken('early');
  });

  test('a slow Brigade slows no webhook down and gets each event once', async (t) => {
    const { brigade, gateway } = await aGateway(t);
    const { promise: later, resolve: answer } = Promise.withResolvers<void>();
    brigade.onEvent = () => ({ ...CREATED, after: later });
    const ids = names('slow', 20);
    const seqs = await pushAll(gateway, ids);
    const events = await Promise.all(seqs.map((seq) => eventOf(gateway, seq)));
    assert.ok(events.every(({ attempts }) => attempts.length === 0));
    answer();
    await brigade.untilTaken(...ids);
    await Promise.all(seqs.map((seq) => afterAttempt(gateway, seq)));
    assert.deepEqual([...brigade.ids].sort(), [...ids].sort());
  });

  for (const [what, reaction] of [
    ['a 500', anError(500, 'the broker is gone')],
    ['a 201 that is no list of events', SUCCESSFUL_GARBAGE],
    ['a reset after the request went out', { kind: 'reset' }],
  ] as const) {
    test(`after ${what} nobody knows, so the event waits for minutes and is kept`, async (t) => {
      const { brigade, gateway } = await aGateway(t);
      brigade.onEvent = () => reaction;
      const seq = await push(gateway, 'uncertain');
      const event = await afterAttempt(gateway, seq);
      assert.equal(event.state, 'pending');
      assert.equal(event.attempts.length, 1);
      assert.equal(event.attempts[0]?.outcome.kind, 'uncertain');
      assert.equal(event.attempts[0]?.decision, 'retry');
      assert.ok(dueInMs(event) >= 60_000, `due after ${dueInMs(event)} ms`);
    });
  }

  test('three events that always get a 500 do not stop the others', async (t) => {
    const { brigade, gateway } = await aGateway(t);
    brigade.onEvent = ({ payload }) => (payload.includes('poison') ? anError(500, 'no worker could be made') : CREATED);
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

  test('refused credentials open the breaker with an error line and cost no event an attempt', async (t) => {
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

  test('a token that is refused at the start is told in an error line, and webhooks are taken all the same', async (t) => {
    const brigade = await StubBrigade.start(t);
    brigade.onProbe = (token) => (token === 'mended' ? undefined : anError(403, 'not allowed'));
    brigade.onEvent = (_, token) => (token === 'mended' ? CREATED : anError(403, 'not allowed'));
    const installation = await anInstallation(t, brigade.address);
    const gateway = await serve(t, installation);
    const { level, detail } = await gateway.process.line('sink.credentials_rejected');
    assert.equal(level, 'error');
    assert.match(String(detail), /403 not allowed/);
    await push(gateway, 'kept');
    await gateway.process.line('breaker.opened');
    assert.equal(brigade.taken.size, 0);
  });

  test('a replaced token file is what the next attempt goes out with', async (t) => {
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

  test('a Retry-After is waited for', async (t) => {
    const { brigade, gateway } = await aGateway(t);
    let refusals = 0;
    brigade.onEvent = () => {
      refusals += 1;
      return refusals === 1 ? anError(429, 'too many', { 'retry-after': '2' }) : CREATED;
    };
    const seq = await push(gateway, 'patient');
    await gateway.process.line('delivery.attempted');
    const { attempts, state } = await eventOf(gateway, seq);
    assert.equal(attempts[0]?.outcome.kind, 'unavailable');
    assert.equal(attempts[0]?.decision, 'retry');
    assert.notEqual(state, 'dead-lettered');
    await brigade.untilTaken('patient');
    const [refused, taken] = brigade.arrivalsOf('patient');
    assert.ok((taken?.at ?? 0) - (refused?.at ?? 0) >= 2_000, 'it was offered again too early');
  });

  test('what Brigade will never take is deadLettered at once, whichever way it says so', async (t) => {
    const { brigade, gateway } = await aGateway(t);
    const statuses = [400, 404, 409, 413, 422];
    brigade.onEvent = ({ sourceState }) => anError(Number(sourceState.state.eventID.slice(-3)), 'no');
    for (const status of statuses) {
      const { state, deadLetter, attempts } = await afterAttempt(gateway, await push(gateway, `refused-${status}`));
      assert.deepEqual([state, deadLetter?.reason, deadLetter?.detail], ['dead-lettered', 'rejected', `${status} no`]);
      assert.equal(attempts.length, 1);
    }
    assert.deepEqual(
      brigade.ids,
      statuses.map((status) => `refused-${status}`),
    );
  });

  test('an operator finds, shows and redelivers a dead letter', async (t) => {
    const { brigade, gateway } = await aGateway(t);
    brigade.onEvent = () => anError(404, 'Brigade said why');
    const seq = await push(gateway, 'rejected');
    await afterAttempt(gateway, seq);
    const env = operatorEnv(gateway);
    const list = await run(t, ['dead-letters', 'list'], env);
    assert.equal(list.code, 0);
    assert.match(
      list.output,
      new RegExp(`^${seq}  .*refused.*example.azurecr.io/hello-world:v1.*404 Brigade said why$`),
    );
    const show = await run(t, ['dead-letters', 'show', String(seq)], env);
    assert.equal(show.code, 0);
    const shown = JSON.parse(show.output);
    assert.equal(shown.deadLetter.detail, '404 Brigade said why');
    assert.equal(shown.payload, aPush('rejected'));
    brigade.onEvent = () => CREATED;
    const redeliver = await run(t, ['dead-letters', 'redeliver', String(seq)], env);
    assert.deepEqual([redeliver.code, redeliver.output], [0, `${seq}  redelivered`]);
    await brigade.untilTaken('rejected');
    const deliveries = brigade.arrivals.map(({ event }) => event.sourceState.state.delivery);
    assert.deepEqual(deliveries, ['1', '2']);
    assert.equal((await run(t, ['dead-letters', 'list'], env)).output, 'There are no dead letters.');
  });

  test('an event that gets no answer keeps no other waiting', async (t) => {
    const { brigade, gateway } = await aGateway(t);
    brigade.onEvent = ({ payload }) => (payload.includes('hanging') ? { kind: 'hang' } : CREATED);
    await push(gateway, 'hanging');
    await brigade.until((stub) => stub.ids.includes('hanging'));
    const others = names('other', 20);
    await pushAll(gateway, others);
    await brigade.untilTaken(...others);
    assert.equal(brigade.arrivalsOf('hanging').length, 1);
  });
});
