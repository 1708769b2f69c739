import { parseArgs } from 'node:util';
import { PLANS, planName, runFaultPlans } from '../test/support/disk-fault-plans.ts';

// node bench/disk-faults.ts [--seconds 5] [--only TEXT]
//
// Runs the gateway under load on a disk that fails for so many seconds: each fault alone, a disk that is gone, and all faults
// together. Fails when an acknowledged event is lost, or the process does not live through it. Needs gcc.

const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '5' }, only: { type: 'string', default: '' } },
});

let failed = 0;
for (const plan of PLANS.filter((each) => planName(each).includes(values.only))) {
  const works: (() => unknown)[] = [];
  try {
    const report = await runFaultPlans({ after: (work) => works.push(work) }, [plan], Number(values.seconds) * 1000);
    print(`${planName(plan)}: ${JSON.stringify(report)}`);
  } catch (error) {
    failed += 1;
    print(`${planName(plan)}: FAILED ${error instanceof Error ? error.message : String(error)}`);
  } finally {
    for (const work of works.toReversed()) await work();
  }
}
print(`${failed} plans failed`);
process.exitCode = failed === 0 ? 0 : 1;

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
