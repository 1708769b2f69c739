import { parse } from 'yaml';
import { read } from '../house/repository.ts';
import { CHART, type Values } from './helm.ts';

/** The place of a value, from the top: `['image', 'tag']`. */
export type Path = readonly string[];

export const DEFAULTS: Values = parse(read(`${CHART}/values.yaml`));

/** The values of the smallest install. */
export const MINIMAL: Values = parse(read(`${CHART}/ci/minimal-values.yaml`));

/** The same with a certificate that exists: generating one takes Helm longer than all the rest. */
export const MINIMAL_WITH_CERTIFICATE: Values = { ...MINIMAL, tls: { existingSecret: 'our-certificate' } };

/** Values that are taken as a whole: their content is the user's, or Kubernetes'. */
const WHOLE: ReadonlySet<string> = new Set([
  'podSecurityContext',
  'securityContext',
  'networkPolicy.from',
  'networkPolicy.metricsFrom',
]);

export function isValues(value: unknown): value is Values {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The paths of all values that a user may set. */
export function leavesOf(values: Values, above: Path = []): readonly Path[] {
  return Object.entries(values).flatMap(([name, value]) => {
    const path = [...above, name];
    const isBranch = isValues(value) && Object.keys(value).length > 0 && !WHOLE.has(path.join('.'));
    return isBranch ? leavesOf(value, path) : [path];
  });
}

export function valueAt(values: Values, path: Path): unknown {
  return path.reduce<unknown>((branch, name) => (isValues(branch) ? branch[name] : undefined), values);
}

/** The same values, without the one at the path. */
export function withoutPath(values: Values, [name = '', ...rest]: Path): Values {
  const { [name]: branch, ...others } = values;
  return rest.length > 0 && isValues(branch) ? { ...others, [name]: withoutPath(branch, rest) } : others;
}

/** The values of both; where both set one, that of the second. */
export function merge(one: Values, other: Values): Values {
  const entries = Object.entries(other).map(([name, value]): [string, unknown] => {
    const before = one[name];
    const isBranch =
      typeof before === 'object' && before !== null && typeof value === 'object' && !Array.isArray(value);
    return [name, isBranch && value !== null ? merge({ ...before }, { ...value }) : value];
  });
  return { ...one, ...Object.fromEntries(entries) };
}
