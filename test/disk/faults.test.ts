import { test } from 'node:test';
import { runFaultPlans, SHORT_FORM } from '../support/disk-fault-plans.ts';
import { NO_COMPILER } from '../support/preload.ts';

// `node bench/disk-faults.ts` has more plans, and a process for each.

test('no acknowledged event is lost to a disk that fails for a moment, in one way or in all', {
  skip: NO_COMPILER,
}, async (t) => {
  await runFaultPlans(t, SHORT_FORM, 400);
});
