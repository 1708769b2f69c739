import type { Caller } from '../model/caller.ts';
import type { CallerPolicy, Policy, Tokens } from '../model/policy.ts';
import { registriesOf } from '../model/registry-name.ts';

/** What a webhook's sender may prove to be, as tokens file and configuration file together have it. */
export interface Callers {
  readonly tokens: Tokens;
  readonly applications: readonly ApplicationEntry[];
  readonly entra: Policy['entra'];
}

interface ApplicationEntry {
  readonly caller: Caller;
  readonly application: NonNullable<CallerPolicy['application']>;
}

/** Pure. Who stands in both files is held to what each of them says. */
export function callersOf(tokens: Tokens, policy: Policy): Callers {
  const registries = policy.registries.length === 0 ? undefined : registriesOf(policy.registries);
  const byName = new Map(policy.callers.map((each) => [each.name, each]));
  const governed = (caller: Caller): Caller => {
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
    tokens: tokens.map(({ caller, digest }) => ({ caller: governed(caller), digest })),
    applications: policy.callers.flatMap(({ name, application }) =>
      application === undefined ? [] : [{ caller: governed({ name }), application }],
    ),
    entra: policy.entra,
  };
}

/** The callers of two sources that change on their own, put together anew when one has. */
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

/** Everybody who may send, once for each way in which he may prove it. */
export function everyCaller({ tokens, applications }: Callers): readonly Caller[] {
  return [...tokens, ...applications].map(({ caller }) => caller);
}
