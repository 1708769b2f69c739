import { hash } from 'node:crypto';
import type { Admin } from '../../src/admin/access.ts';
import { type Change, Operator, type OperatorOptions } from '../../src/admin/operator.ts';
import { tokenAuthenticator } from '../../src/auth/token.ts';
import { decode } from '../../src/decode/decode.ts';
import { MemoryJournal } from '../../src/journal/memory/memory.ts';
import type { AdminToken, Role } from '../../src/model/admin-token.ts';
import { Activity } from '../../src/observe/activity.ts';
import { createRedeliver } from '../../src/receive/redeliver.ts';
import { ManualClock } from './manual-clock.ts';

export interface OperatorRig {
  readonly clock: ManualClock;
  readonly journal: MemoryJournal;
  readonly activity: Activity;
  readonly operator: Operator;
  readonly deliveries: { isPaused: boolean };
  readonly changes: readonly Change[];
}

/** An operator of a journal in memory, without callers. */
export function anOperator(options: Partial<OperatorOptions> = {}): OperatorRig {
  const clock = new ManualClock();
  const journal = new MemoryJournal({ clock });
  const authenticator = tokenAuthenticator({ current: () => [] });
  const onFault = (error: unknown) => {
    throw error;
  };
  const activity = new Activity({ journal, clock, onFault });
  const deliveries = {
    breaker: { kind: 'closed' as const },
    limit: 8,
    held: 0,
    isPaused: false,
    pause() {
      this.isPaused = true;
    },
    resume() {
      this.isPaused = false;
    },
  };
  const changes: Change[] = [];
  const operator = new Operator({
    journal,
    deliveries,
    redeliver: createRedeliver({ authenticator, decode, history: journal }),
    activity,
    clock,
    preview: () => ({ kind: 'message', headers: {}, body: 'a message' }),
    callers: () => ['ci'],
    settings: [{ name: 'PORT', value: '8080', source: 'default' }],
    onChanged: (change) => changes.push(change),
    onFault,
    ...options,
  });
  return { clock, journal, activity, operator, deliveries, changes };
}

export const ALICE: Admin = { name: 'alice', role: 'operate' };

export function anAdminToken(name: string, token: string, role: Role = 'operate'): AdminToken {
  return { name, role, digest: hash('sha256', token, 'buffer') };
}
