import { describe } from 'node:test';
import { archiveSuite } from './archive.suite.ts';
import { durabilitySuite } from './durability.suite.ts';
import { intakeSuite } from './intake.suite.ts';
import { type Harness, proofs } from './journal-harness.ts';
import { modelSuite } from './model.suite.ts';
import { queueSuite } from './queue.suite.ts';
import { settleSuite } from './settle.suite.ts';
import { upkeepSuite } from './upkeep.suite.ts';

/** What every journal promises; `open` opens an empty one for each test. */
export function journalSuite(name: string, open: () => Promise<Harness>): void {
  const proves = proofs(open);
  describe(`${name}: intake`, () => intakeSuite(proves));
  describe(`${name}: queue`, () => queueSuite(proves));
  describe(`${name}: settling and waking`, () => settleSuite(proves));
  describe(`${name}: archive`, () => archiveSuite(proves));
  describe(`${name}: upkeep`, () => upkeepSuite(proves));
  describe(`${name}: crashes and damage`, () => durabilitySuite(proves));
  describe(`${name}: any sequence of calls`, () => modelSuite(open));
}

export type { Harness };
