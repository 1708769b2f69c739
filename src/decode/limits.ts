import { type LimitTable, valuesOf } from '../model/limit.ts';

/** The limits on what a webhook may contain. */
export const DECODE_LIMITS = {
  maxEvents: {
    value: 5_000,
    unit: 'count',
    about: 'Events in one webhook. Event Grid puts at most as many into a batch.',
    at: '400.',
    affects: 'the webhook',
  },
  maxRepositoryChars: {
    value: 256,
    unit: 'characters',
    about: 'The name of a repository. ACR allows as many; the OCI distribution specification recommends 255.',
    at: 'The event is unreadable.',
    affects: 'the event',
  },
  maxTagChars: {
    value: 128,
    unit: 'characters',
    about:
      'A tag, as in the OCI distribution specification. The tag of a legacy chart is a file name, and may have 256.',
    at: 'The event is unreadable.',
    affects: 'the event',
  },
  maxDigestChars: {
    value: 256,
    unit: 'characters',
    about: 'A digest. `sha512:…` has 135.',
    at: 'The event is unreadable.',
    affects: 'the event',
  },
  maxTextChars: {
    value: 256,
    unit: 'characters',
    about:
      'Any other text that the gateway reads: registry, media type, region, time, and the name and version of a chart. An event id that is longer, or not printable, counts as absent.',
    at: 'The event is unreadable.',
    affects: 'the event',
  },
  maxEnvelopeTextChars: {
    value: 512,
    unit: 'characters',
    about:
      'A text in the envelope of an Event Grid event or a CloudEvent, such as `topic`, `source` and `subject`. An id of a connected registry in Azure has at most 310.',
    at: 'The event is unreadable. If the text is a header (a CloudEvent in binary mode): 400.',
    affects: 'the event',
  },
  maxValidationCodeChars: {
    value: 1_024,
    unit: 'characters',
    about: 'A validation code that is sent back. Event Grid’s codes are GUIDs.',
    at: '400.',
    affects: 'the handshake',
  },
  maxUnknownActionChars: {
    value: 64,
    unit: 'characters',
    about: 'An unknown action in log lines and answers.',
    at: 'Cut off.',
    affects: 'the log line',
  },
} as const satisfies LimitTable;

export const LIMITS = valuesOf(DECODE_LIMITS);
