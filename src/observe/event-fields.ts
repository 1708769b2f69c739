import type { RegistryEvent } from '../model/registry-event.ts';

/** Characters of each text of the sender's that a log line repeats: a body may be made of one of them. */
const CHARACTERS = 256;

/** What a log line tells of an event. */
export function eventFields(event: Partial<Omit<RegistryEvent, 'action'>> & { readonly action: string }): object {
  const { id, action, registry, repository, tag, digest } = event;
  return {
    id: cut(id),
    action,
    registry: cut(registry),
    repository: cut(repository),
    tag: cut(tag),
    digest: cut(digest),
  };
}

function cut(text: string | undefined): string | undefined {
  return text === undefined || text.length <= CHARACTERS ? text : `${text.slice(0, CHARACTERS)}…`;
}
