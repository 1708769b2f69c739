import { describe } from 'node:test';
import { clockSuite } from './clock.suite.ts';
import { completeSuite } from './complete.suite.ts';
import { durabilitySuite } from './durability.suite.ts';
import { historySuite } from './history.suite.ts';
import { intakeSuite } from './intake.suite.ts';
import { type Harness, proofs } from './journal-harness.ts';
import { maintenanceSuite } from './maintenance.suite.ts';
import { modelSuite } from './model.suite.ts';
import { operationSuite } from './operation.suite.ts';
import { queueSuite } from './queue.suite.ts';
import { searchSuite } from './search.suite.ts';

/** What every journal promises; `open` opens an empty one for each test. */
export function journalSuite(name: string, open: () => Promise<Harness>): void {
  const proves = proofs(open);
  describe(`${name}: intake`, () => intakeSuite(proves));
  describe(`${name}: queue`, () => queueSuite(proves));
  describe(`${name}: completing and waking`, () => completeSuite(proves));
  describe(`${name}: clocks that are set`, () => clockSuite(proves));
  describe(`${name}: history`, () => historySuite(proves));
  describe(`${name}: searching`, () => searchSuite(open));
  describe(`${name}: what an operator does`, () => operationSuite(proves));
  describe(`${name}: maintenance`, () => maintenanceSuite(proves));
  describe(`${name}: crashes and damage`, () => durabilitySuite(proves));
  describe(`${name}: any sequence of calls`, () => modelSuite(open));
}

export type { Harness };
