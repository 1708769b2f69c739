import { fork } from 'node:child_process';
import type { AttackReport } from './attacker.ts';
import { type AttackName, attack, isAttackName } from './attacks.ts';
import { type CallerReport, sendWebhooks } from './well-behaved.ts';

// An attack, and the well-behaved caller, in a process of its own: `node peers.ts ROLE PORT TLS RUN MS`.

/** How much longer than planned a process may take. */
const GRACE_MS = 15_000;

interface Plan {
  readonly port: number;
  readonly tls: boolean;
  /** Part of the event ids: attackers of a run know it. */
  readonly run: string;
  readonly ms: number;
}

/** Runs an attack to its end. */
export function startAttack(name: AttackName, plan: Plan): Promise<AttackReport> {
  return start(name, plan);
}

/** Sends well-behaved webhooks for as long as planned. */
export function startCaller(plan: Plan): Promise<CallerReport> {
  return start('well-behaved', plan);
}

function start<T>(role: string, { port, tls, run, ms }: Plan): Promise<T> {
  const child = fork(new URL(import.meta.url).pathname, [role, String(port), String(tls), run, String(ms)]);
  return new Promise((resolve, reject) => {
    child.once('message', (report: T) => resolve(report));
    child.once('exit', (code) => reject(new Error(`${role} ended with ${code}`)));
  });
}

async function main([role = '', port, tls, run = '', ms]: readonly string[]): Promise<void> {
  const plan = { port: Number(port), tls: tls === 'true', run, ms: Number(ms) };
  process.on('disconnect', () => process.exit());
  setTimeout(() => process.exit(1), plan.ms + GRACE_MS);
  const report = isAttackName(role) ? await attack(role, plan.port, run, plan.ms) : await sendWebhooks(plan);
  process.send?.(report, () => process.exit());
}

if (process.argv[1] === new URL(import.meta.url).pathname) await main(process.argv.slice(2));
