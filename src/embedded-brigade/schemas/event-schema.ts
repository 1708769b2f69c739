import { LONG_TITLE_MAX_LENGTH, SHORT_TITLE_MAX_LENGTH } from '../../brigade/field-rules.ts';
import { apiVersion, emptyOr, exactly, gitDetails, identifier, keyed, kind, pairs, source, value } from './parts.ts';

const sourceState = { apiVersion, kind: kind('SourceState'), state: keyed({ type: 'string' }) };

/** The body of `PUT /v2/events/{id}/source-state`. */
export const SOURCE_STATE_SCHEMA: object = exactly(sourceState, ['apiVersion', 'kind']);

/** The body of `POST /v2/events`. A payload has no limit but the body's. */
export const EVENT_SCHEMA: object = exactly(
  {
    apiVersion,
    kind: kind('Event'),
    metadata: exactly({}),
    projectID: emptyOr(identifier),
    source,
    type: { allOf: [value] },
    qualifiers: pairs,
    labels: pairs,
    shortTitle: { type: 'string', maxLength: SHORT_TITLE_MAX_LENGTH },
    longTitle: { type: 'string', maxLength: LONG_TITLE_MAX_LENGTH },
    git: exactly(gitDetails),
    payload: { type: 'string' },
    sourceState: exactly(sourceState),
  },
  ['apiVersion', 'kind', 'source', 'type'],
);
