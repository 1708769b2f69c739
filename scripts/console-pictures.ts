// Writes the pictures of docs/console.md. Needs Debian's chromium: npx node scripts/console-pictures.ts

import type { EventReceipt } from '../src/model/receipt.ts';
import { anOperator } from '../test/support/an-operator.ts';
import { startBrowser } from '../test/support/chromium.ts';
import { serveConsole } from '../test/support/console-server.ts';
import { keepDeadLetter, keepDelivered, keepOne } from '../test/support/journal-steps.ts';
import { aClaim, anAttempt, aRecord, DELIVERED } from '../test/support/records.ts';

const MINUTE_MS = 60_000;

const world = anOperator({ callers: () => ['ci', 'production', 'staging'] });
const { clock, journal, activity } = world;
const ingest = activity.ofIngest({
  webhook() {},
  rejected() {},
  fault() {},
  certificateReloaded() {},
  certificateRejected() {},
});
const delivery = activity.ofDelivery({ attempted() {}, probed() {}, breakerOpened() {}, faulted() {} });

function receive(caller: string, result: EventReceipt['result']): void {
  const answer = { kind: 'receipt', events: [{ action: 'push', result }] } as const;
  const client = { remoteAddress: '10.0.0.7', clientAddress: undefined, userAgent: undefined };
  ingest.webhook({ caller, answer, status: 200, ...client, bodyBytes: 700, durationMs: 3 });
}

for (let minute = 0; minute < 60; minute += 1) {
  const count = Math.round(22 + 14 * Math.sin(minute / 6) + ((minute * 7919) % 9));
  for (let n = 0; n < count; n += 1) {
    const name = `${minute}-${n}`;
    receive(n % 4 === 0 ? 'production' : 'ci', { kind: 'accepted', seq: 1 });
    await keepDelivered(journal, aRecord(name, clock.now()));
    const attempt = anAttempt(clock.now(), DELIVERED);
    delivery.attempted(aClaim(name), attempt, { kind: 'complete' }, false);
  }
  if (minute > 40 && minute < 47) for (let n = 0; n < 4; n += 1) receive('ci', { kind: 'duplicate', of: 1 });
  clock.advance(MINUTE_MS);
}
await keepDeadLetter(journal, aRecord('dead', clock.now()), 'rejected');
await keepOne(journal, aRecord('waits', clock.now()));
clock.advance(20_000);
delivery.probed({ kind: 'ready', detail: 'Brigade v2.6.0 accepts events' }, { kind: 'closed', isTrial: false });

const server = await serveConsole(world);
const browser = await startBrowser();
for (const colorScheme of ['light', 'dark'] as const) {
  const page = await browser.newPage({ colorScheme, baseURL: server.address, viewport: { width: 1100, height: 760 } });
  await page.goto(server.loginPath());
  await page.screenshot({ path: `docs/images/console-${colorScheme}.png`, fullPage: true });
}
await browser.close();
await server.close();
