import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { usage } from '../../bench/gateway.ts';
import { FUZZ_TOKEN } from '../support/fuzz/corpora.ts';
import { fuzzPort, fuzzReader } from '../support/fuzz/fuzz.ts';
import { anInstallation, serve } from '../support/serve-process.ts';
import { StubBrigade } from '../support/stub-brigade.ts';
import { adminGet } from '../support/webhooks.ts';

// The short form of bench/fuzz.ts, with other inputs in each run. To repeat one: node bench/fuzz.ts --seed SEED --from N.

const seed = randomInt(2 ** 31);

/** MB. A leak of a kilobyte for each input would reach it in the benchmark, not here. */
const MAX_RSS = 350;

for (const [name, to, reads] of [
  ['decode', 3_000, 'the decoders read'],
  ['tokens', 2_000, 'the tokens file is read'],
  ['config', 500, 'the configuration file is read'],
] as const) {
  test(`${reads} without a fault, whatever the input`, () => {
    const { findings, inputs } = fuzzReader(name, { seed, from: 0, to });
    assert.deepEqual(findings, [], `seed ${seed}`);
    assert.equal(inputs, to);
  });
}

test('the ingest port answers any input with a documented status, or closes the connection', async (context) => {
  const brigade = await StubBrigade.start(context);
  const installation = await anInstallation(context, brigade.address);
  await writeFile(join(installation.folder, 'tokens.json'), JSON.stringify({ fuzz: FUZZ_TOKEN }));
  const gateway = await serve(context, installation);
  const { findings, results } = await fuzzPort(gateway.ingestPort, { seed, from: 0, to: 4_500 });
  assert.deepEqual(findings, [], `seed ${seed}`);
  assert.ok((results['200'] ?? 0) > 0 && (results['400'] ?? 0) > 0, JSON.stringify(results));
  assert.equal((await adminGet(gateway, '/readyz')).status, 200);
  const faults = gateway.process.log.filter(({ level }) => level === 'error' || level === 'fatal');
  assert.deepEqual(faults, [], `seed ${seed}`);
  assert.ok(usage(gateway.process.pid).rss < MAX_RSS);
});
