import { everyCaller } from '../auth/callers.ts';
import { scopeOf } from '../auth/scope.ts';
import { decode } from '../decode/decode.ts';
import type { DecodedEvent } from '../decode/decoder.ts';
import type { GatewayFiles } from '../gateway/files.ts';
import { payloadOf } from '../journal/payload.ts';
import type { Caller } from '../model/caller.ts';
import type { RegistryEvent } from '../model/registry-event.ts';
import type { Issue } from '../model/webhook.ts';
import { decide } from '../receive/rules.ts';
import { toBrigadeEvent } from '../sink/brigade/event-mapping.ts';
import { EXIT_CODES, type ExitCode } from './exit-codes.ts';
import { readSavedBody, readSavedHeaders } from './saved-webhook.ts';
import { print, printable, printError } from './terminal.ts';

export interface ExplainOptions {
  /** A saved body. */
  readonly explain: string;
  /** Saved headers. */
  readonly headers?: string;
  /** Who is to have sent it; may be left out where there is only one who could. */
  readonly caller?: string;
}

/**
 * Tells what would become of a saved webhook: how it is read, what its caller may speak for, which rule decides, and which
 * Brigade event comes out. Done when one would.
 */
export async function explain(options: ExplainOptions, { callers }: GatewayFiles): Promise<ExitCode> {
  const caller = callerFor(options.caller, everyCaller(callers.current()));
  if (typeof caller === 'string') {
    printError(`error: ${caller}`);
    return EXIT_CODES.usage.code;
  }
  const body = await readSavedBody(options.explain);
  const decoded = decode(body, await readSavedHeaders(options.headers));
  print(`caller   ${caller.name}`);
  if (decoded.kind !== 'decoded') {
    print(
      decoded.kind === 'unreadable' ? `format   none: ${told(decoded.issues)}` : 'a validation: its code is answered',
    );
    return EXIT_CODES.failed.code;
  }
  print(`format   ${decoded.format}`);
  if (decoded.events.length === 0) print('no event');
  const emitted = decoded.events.filter((event, index) => {
    print();
    print(`event ${index + 1} of ${decoded.events.length}`);
    return explainEvent(event, caller, body);
  });
  return emitted.length > 0 ? EXIT_CODES.ok.code : EXIT_CODES.failed.code;
}

function callerFor(name: string | undefined, callers: readonly Caller[]): Caller | string {
  const names = [...new Set(callers.map((caller) => caller.name))];
  const wanted = name ?? (names.length === 1 ? names[0] : undefined);
  const found = callers.find((caller) => caller.name === wanted);
  return found ?? `--caller is to name who sent it: ${names.join(', ') || 'nobody may send anything'}`;
}

/** Whether a Brigade event comes out. */
function explainEvent(decoded: DecodedEvent, caller: Caller, body: Uint8Array): boolean {
  if (decoded.kind === 'nothing') return tell('ignored', `${decoded.reason} (${decoded.action})`);
  if (decoded.kind === 'unreadable') return tell('dead-lettered', `unreadable: ${told(decoded.issues)}`);
  print(`  says     ${sayingOf(decoded.event)}`);
  const scope = scopeOf(caller, decoded.event);
  if (scope.kind === 'out-of-scope') return tell('rejected', `out of scope: ${told([scope.issue])}`);
  print(`  scope    ${scope.event.registry ?? 'no registry is known for it'}`);
  const decision = decide(scope.event, caller);
  print(`  rule     ${decision.rule ?? 'none matches'}: ${decision.kind}`);
  if (decision.kind === 'ignore') return tell('ignored', `by the rule ${decision.rule}`);
  if (scope.event.registry === undefined)
    return tell('dead-lettered', 'no-registry: bind the caller to one, or list the resource');
  const { bytes, payload } = decoded.raw ?? { bytes: body };
  const mapping = toBrigadeEvent({ event: scope.event, payload: payloadOf(bytes, payload), delivery: 1 }, 'since-2.6');
  if (mapping.kind === 'unmappable') return tell('dead-lettered', mapping.detail);
  if (mapping.leftOut.length > 0) print(`  note     left out, not legal as a label: ${mapping.leftOut.join(', ')}`);
  print(`  emitted  ${JSON.stringify(mapping.event, null, 2).replaceAll('\n', '\n  ')}`);
  return true;
}

function tell(result: string, why: string): false {
  print(printable(`  ${result.padEnd(8)} ${why}`));
  return false;
}

function sayingOf({ action, registry, resource, repository, tag, digest, region }: RegistryEvent): string {
  const parts = Object.entries({ registry, resource, repository, tag, digest, region });
  const given = parts.flatMap(([name, value]) => (value === undefined ? [] : [`${name} ${value}`]));
  return printable([action, ...given].join(', '));
}

function told(issues: readonly Issue[]): string {
  return issues.map(({ path, expected, received }) => `${path} is to be ${expected}, not ${received}`).join('; ');
}
