import type { Outcome } from '../../src/model/delivery.ts';
import type { Probe } from '../../src/sink/sink.ts';
import { type Behaviour, sinkSuite } from '../../src/sink/suite/sink.suite.ts';
import { DELIVERED, REJECTED, UNAVAILABLE, UNCERTAIN } from './records.ts';
import { type Answer, READY, ScriptedSink } from './scripted-sink.ts';

const CREDENTIALS: Outcome = { kind: 'unavailable', detail: '401', credentials: true };
const ANSWERS: Readonly<Record<Behaviour, Answer>> = {
  takes: DELIVERED,
  rejects: REJECTED,
  'rejects-credentials': CREDENTIALS,
  'is-busy': UNAVAILABLE,
  'is-away': UNAVAILABLE,
  'loses-its-answer': UNCERTAIN,
  fails: UNCERTAIN,
  'answers-nonsense': UNCERTAIN,
  hangs: 'hang',
};

sinkSuite('a scripted sink', async () => {
  const sink = new ScriptedSink();
  let behaviour: Behaviour = 'takes';
  const probeOf = (): Probe | 'hang' => {
    if (behaviour === 'hangs') return 'hang';
    if (behaviour === 'takes') return READY;
    return { kind: 'unready', detail: 'not now', credentials: behaviour === 'rejects-credentials' };
  };
  sink.onDeliver = () => ANSWERS[behaviour];
  sink.onProbe = probeOf;
  return {
    sink,
    behave: async (next) => {
      behaviour = next;
    },
    taken: () => sink.taken,
    untilAsked: () => sink.until(({ running, probes }) => running + probes > 0),
  };
});
