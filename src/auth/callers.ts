import type { Caller } from '../model/caller.ts';
import type { CallerPolicy, Policy, Tokens } from '../model/policy.ts';
import { registriesOf } from '../model/registry-name.ts';

/** All callers, from the tokens file and the configuration file together. */
export interface Callers {
  readonly tokens: Tokens;
  readonly applications: readonly ApplicationEntry[];
  readonly entra: Policy['entra'];
}

interface ApplicationEntry {
  readonly caller: Caller;
  readonly application: NonNullable<CallerPolicy['application']>;
}

/** Pure. A caller that is in both files is bound by both. */
export function callersOf(tokens: Tokens, policy: Policy): Callers {
  const registries = policy.registries.length === 0 ? undefined : registriesOf(policy.registries);
  const byName = new Map(policy.callers.map((each) => [each.name, each]));
  const withPolicy = (caller: Caller): Caller => {
    const own = byName.get(caller.name);
    const bindings = [...(caller.bindings ?? []), ...(own?.binding === undefined ? [] : [own.binding])];
    const rules = [...(own?.rules ?? []), ...policy.rules];
    return {
      name: caller.name,
      ...(bindings.length === 0 ? {} : { bindings }),
      ...(registries === undefined ? {} : { registries }),
      ...(rules.length === 0 ? {} : { rules }),
    };
  };
  return {
    tokens: tokens.map(({ caller, digest }) => ({ caller: withPolicy(caller), digest })),
    applications: policy.callers.flatMap(({ name, application }) =>
      application === undefined ? [] : [{ caller: withPolicy({ name }), application }],
    ),
    entra: policy.entra,
  };
}

/** The callers of two sources that change independently. Computed again only after a change. */
export function joinedCallers(tokens: { current(): Tokens }, policy: { current(): Policy }): { current(): Callers } {
  let from = [tokens.current(), policy.current()] as const;
  let callers = callersOf(...from);
  return {
    current: () => {
      const now = [tokens.current(), policy.current()] as const;
      if (now[0] !== from[0] || now[1] !== from[1]) {
        from = now;
        callers = callersOf(...now);
      }
      return callers;
    },
  };
}

/** All callers. One with a token and an application appears twice. */
export function everyCaller({ tokens, applications }: Callers): readonly Caller[] {
  return [...tokens, ...applications].map(({ caller }) => caller);
}
