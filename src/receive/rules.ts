import type { Caller } from '../model/caller.ts';
import { matchesGlob } from '../model/glob.ts';
import type { RegistryEvent } from '../model/registry-event.ts';
import { comparableRegistry } from '../model/registry-name.ts';
import type { Conditions, Rule } from '../model/rule.ts';

/** `rule` names the rule that decided; absent where none matches. */
export type RuleDecision =
  | { readonly kind: 'accept'; readonly rule?: string }
  | { readonly kind: 'ignore'; readonly rule: string };

/** The first of the caller's rules that matches the event decides. An event that no rule matches is accepted. Pure. */
export function applyRules(event: RegistryEvent, { rules }: Caller): RuleDecision {
  const rule: Rule | undefined = rules?.find(({ when }) => matches(when, event));
  return rule === undefined ? { kind: 'accept' } : { kind: rule.decision, rule: rule.name };
}

function matches(when: Conditions, event: RegistryEvent): boolean {
  const registry = event.registry === undefined ? undefined : comparableRegistry(event.registry);
  return (
    isIn(when.actions, event.action) &&
    isIn(when.manifests, event.manifest) &&
    (when.tagged === undefined || when.tagged === (event.tag !== undefined)) &&
    isLike(when.registries, registry) &&
    isLike(when.repositories, event.repository) &&
    isLike(when.tags, event.tag) &&
    isLike(when.regions, event.region?.toLowerCase())
  );
}

function isIn<T>(allowed: readonly T[] | undefined, value: T | undefined): boolean {
  return allowed === undefined || (value !== undefined && allowed.includes(value));
}

function isLike(globs: readonly string[] | undefined, value: string | undefined): boolean {
  return globs === undefined || (value !== undefined && globs.some((glob) => matchesGlob(glob, value)));
}
