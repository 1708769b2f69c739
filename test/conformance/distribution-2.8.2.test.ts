import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { anInstallation, serve, WEBHOOK_TOKEN } from '../support/serve-process.ts';
import { StubBrigade } from '../support/stub-brigade.ts';
import { accept, aPush, type EventReceipt, exchange } from '../support/webhooks.ts';

interface Capture {
  readonly name: string;
  readonly request: { readonly headers: Readonly<Record<string, string | readonly string[]>> };
  readonly rawBody: string;
  readonly body: { readonly events: readonly unknown[] };
}

/** The result of each capture: the type of its Brigade event, or the reason why there is none. */
const RESULTS: Readonly<Record<string, string>> = {
  'push of an OCI manifest with a tag (skopeo)': 'push',
  'push of a Docker v2s2 manifest with a tag': 'push',
  'push of a layer blob (sent before the manifest)': 'blob',
  'the same event again after the listener said 503 (same event id, same bytes)': 'blob',
  'pull of a manifest': 'pull',
  'push with htpasswd auth (actor.name)': 'push',
  'mount of a blob from another repository': 'mount',
  'push of an OCI image index': 'push',
  'delete of a manifest by digest (no mediaType, no tag)': 'delete',
  'delete: the tag that pointed at the deleted manifest': 'delete',
  // It has nothing to distinguish it from the deletion of a manifest.
  'delete of a blob by digest': 'delete',
};

const { captures }: { readonly captures: readonly Capture[] } = JSON.parse(
  readFileSync(new URL('distribution-2.8.2.json', import.meta.url), 'utf8'),
);

const brigade = await StubBrigade.start({ after });
const gateway = await serve({ after }, await anInstallation({ after }, brigade.address));

test('every capture has an expected result', () => {
  assert.deepEqual(
    captures.map(({ name }) => name),
    Object.keys(RESULTS),
  );
});

for (const { name, request, rawBody, body } of captures) {
  const result = RESULTS[name] ?? '';
  const isDelivered = result === 'push' || result === 'delete';
  test(`${name}: ${isDelivered ? `one ${result} in Brigade` : `ignored (${result})`}, also if sent again`, async () => {
    const headers = Object.fromEntries(
      Object.entries(request.headers)
        .filter(([key]) => !['Content-Length', 'Host'].includes(key))
        .map(([key, value]) => [key, String(value).replace('s3cr3t-token', WEBHOOK_TOKEN)]),
    );
    const received: EventReceipt[] = [];
    for (let time = 0; time < 2; time++) {
      const { status, text } = await exchange(gateway.ingestPort, { headers, body: rawBody });
      assert.equal(status, 200, text);
      received.push(...JSON.parse(text).events);
    }
    const marker = `after ${name}`;
    await accept(gateway, aPush(marker));
    await brigade.untilTaken(...(isDelivered ? [received[0]?.id ?? ''] : []));
    await brigade.until((stub) => stub.arrivals.some(({ event }) => JSON.parse(event.payload).id === marker));
    const arrived = brigade.arrivals.splice(0).filter(({ event }) => JSON.parse(event.payload).id !== marker);
    assert.deepEqual(
      received.map((event) => event.reason ?? event.result),
      isDelivered ? ['accepted', 'duplicate'] : [result, result],
    );
    assert.deepEqual(
      arrived.map(({ event }) => [event.type, event.qualifiers, JSON.parse(event.payload)]),
      isDelivered ? [[result, { registry: '127.0.0.1:15000' }, body.events[0]]] : [],
    );
  });
}
