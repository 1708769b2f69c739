import type { RegistryEvent } from '../model/registry-event.ts';

/** The most characters of one text of an event in a log line: one text may be as long as a body. */
const MAX_CHARACTERS = 256;

/** The fields of an event in a log line. */
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
  return text === undefined || text.length <= MAX_CHARACTERS ? text : `${text.slice(0, MAX_CHARACTERS)}…`;
}
