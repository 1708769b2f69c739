import type { Condition } from './select.ts';
import { equals } from './select.ts';

type Texts = Readonly<Record<string, string>>;

/** Of which events: those that satisfy all that is given. Of the maps an event must have at least the pairs named. */
export interface EventSelector {
  readonly projectID?: string;
  readonly source?: string;
  readonly type?: string;
  readonly workerPhases?: readonly string[];
  readonly qualifiers?: Texts;
  readonly labels?: Texts;
  readonly sourceState?: Texts;
}

export function conditionsOf(selector: EventSelector): readonly Condition[] {
  return [
    ...equals('project', selector.projectID),
    ...equals('source', selector.source),
    ...equals('type', selector.type),
    ...oneOf('phase', selector.workerPhases),
    ...has('$.qualifiers', selector.qualifiers),
    ...has('$.labels', selector.labels),
    ...has('$.sourceState.state', selector.sourceState),
  ];
}

function oneOf(column: string, values: readonly string[] | undefined): readonly Condition[] {
  return values === undefined
    ? []
    : [{ sql: `${column} IN (SELECT value FROM json_each(?))`, parameters: [JSON.stringify(values)] }];
}

function has(path: string, pairs: Texts | undefined): readonly Condition[] {
  return Object.entries(pairs ?? {}).map(([key, value]) => ({
    sql: `EXISTS (SELECT 1 FROM json_each(document, '${path}') WHERE key = ? AND value = ?)`,
    parameters: [key, value],
  }));
}
