/** The formats in which a benchmark sends pushes; `×100` are batches of that size. */
export const BODY_KINDS = [
  'acr',
  'event-grid',
  'event-grid ×100',
  'cloudevents',
  'cloudevents ×100',
  'cloudevents binary',
  'distribution',
] as const;

export type BodyKind = (typeof BODY_KINDS)[number];

const BATCH = 100;

/** Events of one request. */
export function eventsOf(kind: BodyKind): number {
  return kind.endsWith('×100') ? BATCH : 1;
}

/** The headers that a kind has in addition to those of all kinds. */
export function headersOf(kind: BodyKind): string {
  if (kind !== 'cloudevents binary') return '';
  return `ce-specversion: 1.0\r\nce-type: ${TYPE}\r\nce-source: ${TOPIC}\r\nce-id: a\r\nce-subject: hello-world:v1\r\n`;
}

/** ASCII, so that its length is its size. */
export function bodyOf(kind: BodyKind, id: string, bytes: number): string {
  const push = (part: string) => pushBody(part, bytes);
  switch (kind) {
    case 'acr':
    case 'cloudevents binary':
      return push(id);
    case 'distribution':
      return `{"events":[${push(id)}]}`;
    case 'event-grid':
      return `[${gridEvent(id, push(id))}]`;
    case 'cloudevents':
      return cloudEvent(id, push(id));
    case 'event-grid ×100':
      return batch(id, (one) => gridEvent(one, push(one)));
    case 'cloudevents ×100':
      return batch(id, (one) => cloudEvent(one, push(one)));
  }
}

const TYPE = 'Microsoft.ContainerRegistry.ImagePushed';
const TOPIC =
  '/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/example/providers/Microsoft.ContainerRegistry/registries/example';

function batch(id: string, event: (id: string) => string): string {
  return `[${Array.from({ length: BATCH }, (_, index) => event(`${id}-${index}`)).join(',')}]`;
}

function gridEvent(id: string, data: string): string {
  return (
    `{"id":"${id}","topic":"${TOPIC}","subject":"hello-world:v1","eventType":"${TYPE}","data":${data},` +
    `"dataVersion":"2.0","metadataVersion":"1","eventTime":"2026-11-22T12:00:00.9Z"}`
  );
}

function cloudEvent(id: string, data: string): string {
  return (
    `{"specversion":"1.0","id":"${id}","source":"${TOPIC}","subject":"hello-world:v1","type":"${TYPE}","data":${data},` +
    `"time":"2026-11-22T12:00:00.9Z"}`
  );
}

/** A push as ACR sends it, 591 bytes, filled up to a size. */
function pushBody(id: string, bytes: number): string {
  const body = (filling: string) =>
    `{"id":"${id}","timestamp":"2026-11-22T12:00:00.1234567Z","action":"push","target":{"mediaType":` +
    `"application/vnd.docker.distribution.manifest.v2+json","size":524,"digest":"sha256:c766679d0a1b2c3d4e5f60718293a4b5` +
    `c6d7e8f90a1b2c3d4e5f60718293a4b5","length":524,"repository":"hello-world","tag":"v1"},"request":{"id":` +
    `"9ad4af4e-5b1c-4d2e-8f30-a1b2c3d4e5f6","host":"example.azurecr.io","method":"PUT","useragent":"${filling}"}}`;
  const plain = body('docker/27.0');
  return plain.length >= bytes ? plain : body('x'.repeat(bytes - plain.length + 11));
}
