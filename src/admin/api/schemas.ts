import * as v from 'valibot';
import { fields, isObject, oneOf, text, textThat } from '../../config/schema.ts';
import { duration } from '../../config/text-types.ts';
import { type EventFilter, RECORD_STATES } from '../../journal/journal.ts';
import { isGlob } from '../../model/names.ts';
import { ACTIONS } from '../../model/registry-event.ts';
import { FORMATS } from '../../model/webhook.ts';
import { LIMITS } from '../limits.ts';

// What the admin API takes and answers. openapi.json is generated from it.

/** No text of an event is longer. */
const filterText = textThat('a text of 1 to 512 characters', (given) => /^.{1,512}$/su.test(given));

const ago = duration({ max: '366d' });

/** Takes the present, epoch milliseconds, and returns the time that is meant. */
const time = text<(now: number) => number>(
  'a time such as `2026-03-14T14:03:00Z`, or how long ago such as `15m`, `1h` or `7d`',
  (given) => {
    const back = v.safeParse(ago, given);
    if (back.success) return (now) => now - back.output;
    const isTime = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:\d\d))?$/.test(given);
    const at = isTime ? Date.parse(given) : Number.NaN;
    return Number.isNaN(at) ? undefined : () => at;
  },
);

function conditions<const M extends v.GenericSchema<unknown, boolean>>(matched: M) {
  return {
    state: v.optional(oneOf(RECORD_STATES)),
    registry: v.optional(filterText),
    repository: v.optional(
      textThat('a name, or a pattern: `*` matches within a path segment, `**` across', (given) => isGlob(given)),
    ),
    tag: v.optional(filterText),
    digest: v.optional(filterText),
    id: v.optional(filterText),
    action: v.optional(oneOf([...ACTIONS, 'unreadable'])),
    format: v.optional(oneOf(FORMATS)),
    caller: v.optional(filterText),
    matched: v.optional(matched),
    from: v.optional(time),
    until: v.optional(time),
  };
}

const queryConditions = conditions(text('`true` or `false`', (given) => ({ true: true, false: false })[given]));

/** The filter of a query, at a time. */
export function filterOf(
  { from, until, ...exact }: v.InferOutput<typeof filterQuery> | v.InferOutput<typeof filterBody>,
  now: number,
): EventFilter {
  const given = { ...exact, from: from?.(now), until: until?.(now) };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

export const filterQuery = fields(queryConditions);

export const filterBody = v.pipe(
  fields(conditions(v.boolean('must be true or false'))),
  v.check((given) => Object.keys(given).length > 0, 'must have at least one condition'),
);

function wholeNumber(expected: string, max: number) {
  return text(expected, (given) => {
    const value = /^\d{1,16}$/.test(given) ? Number(given) : 0;
    return value >= 1 && value <= max ? value : undefined;
  });
}

export const seqParameter = fields({ seq: wholeNumber('a sequence number', Number.MAX_SAFE_INTEGER) });

export const idParameter = fields({ id: textThat('the id of a redelivery', (given) => /^[\w-]{1,64}$/.test(given)) });

const paging = {
  limit: v.optional(
    wholeNumber(`a number from 1 to ${LIMITS.maxListed}`, LIMITS.maxListed),
    String(LIMITS.defaultListed),
  ),
  cursor: v.optional(wholeNumber('what an answer gave as `next`', Number.MAX_SAFE_INTEGER)),
};

export const eventsQuery = fields({ ...queryConditions, ...paging });

export const turnedAwayQuery = fields(paging);

export const periodQuery = fields({ from: v.optional(time, '1h'), until: v.optional(time, '0s') });

/** The query of before there was `GET /api/events`. */
export const deadLettersQuery = fields({
  limit: paging.limit,
  before: v.optional(wholeNumber('a sequence number', Number.MAX_SAFE_INTEGER)),
});

const oneOfThem = 'must be a sequence number';
const seqsExpected = `must be a list of 1 to ${LIMITS.maxRedelivered} sequence numbers`;

const seqs = v.pipe(
  v.array(v.pipe(v.number(oneOfThem), v.safeInteger(oneOfThem), v.minValue(1, oneOfThem)), seqsExpected),
  v.nonEmpty(seqsExpected),
  v.maxLength(LIMITS.maxRedelivered, seqsExpected),
);

const paceExpected = `must be a number from 1 to ${LIMITS.maxPerSecond}`;

const perSecond = v.pipe(
  v.number(paceExpected),
  v.integer(paceExpected),
  v.minValue(1, paceExpected),
  v.maxValue(LIMITS.maxPerSecond, paceExpected),
);

const dryRun = v.optional(v.boolean('must be true or false'), false);

const bySeqs = v.pipe(
  fields({ seqs }),
  v.transform((given) => ({ kind: 'seqs' as const, seqs: given.seqs })),
);

/** Either the numbers of events, or a filter that finds them. */
export const redeliveryBody = bySeqsOr(
  v.pipe(
    fields({ filter: filterBody, dryRun, perSecond: v.optional(perSecond, LIMITS.defaultPerSecond) }),
    v.transform((given) => ({ kind: 'filter' as const, ...given })),
  ),
);

export const discardBody = bySeqsOr(
  v.pipe(
    fields({ filter: filterBody, dryRun }),
    v.transform((given) => ({ kind: 'filter' as const, ...given })),
  ),
);

function bySeqsOr<const S extends v.GenericSchema>(byFilter: S) {
  return v.pipe(
    v.lazy((input) => (isObject(input) && 'filter' in input ? byFilter : bySeqs)),
    v.metadata({ either: [bySeqs, byFilter] }),
  );
}
