import { everyCaller } from '../auth/callers.ts';
import { environment, readJudgingSettings } from '../config/read-settings.ts';
import { decode } from '../decode/decode.ts';
import type { DecodedEvent } from '../decode/decoder.ts';
import { previewOf } from '../gateway/connect-sink.ts';
import { answerTo } from '../http/answers.ts';
import { payloadOf } from '../journal/payload.ts';
import type { Caller } from '../model/caller.ts';
import { printable } from '../model/printable.ts';
import type { EventResult, Rejection } from '../model/receipt.ts';
import { isRegistryEvent } from '../model/registry-event.ts';
import type { Headers } from '../model/webhook.ts';
import { formatIssues, isRejected, type Judgement, judge } from '../receive/judge.ts';
import type { Deliverable, Sink } from '../sink/sink.ts';
import { withAdmin } from './admin-client.ts';
import { readCallerFiles } from './callers.ts';
import { EXIT_CODES, type ExitCode } from './exit-codes.ts';
import { readSavedBody, readSavedHeaders } from './saved-webhook.ts';
import { jsonLines, print, printError, printIssues } from './terminal.ts';

export interface ExplainOptions {
  /** The file with the body, or the number of an event that a running gateway has. */
  readonly explain?: string;
  readonly seq?: number;
  /** The file with the headers. */
  readonly headers?: string;
  /** The caller that sends it; may be omitted where there is only one, or no tokens file. */
  readonly caller?: string;
}

/**
 * Prints how the gateway would answer a webhook, and what it would send to the sink: with the callers and rules in TOKENS_PATH
 * and CONFIG_PATH, or for a caller without limits where neither is set. The exit code is 0 when it would send something.
 */
export async function explain(options: ExplainOptions): Promise<ExitCode> {
  const { explain: path, seq, headers } = options;
  if (seq === undefined) {
    const webhook = async () => ({ body: await readSavedBody(path ?? ''), headers: await readSavedHeaders(headers) });
    return explainWith(options.caller, webhook);
  }
  if (path !== undefined || headers !== undefined) {
    printError('error: give either --seq, or --explain and --headers');
    return EXIT_CODES.usage.code;
  }
  return withAdmin(async (admin) => {
    const kept: KeptWebhook = await admin.get(`/api/events/${seq}`);
    const webhook = async () => ({ body: Buffer.from(kept.raw ?? kept.payload), headers: kept.headers });
    return explainWith(options.caller ?? kept.caller, webhook);
  });
}

/** What of an event the admin API answers, and judging needs. */
interface KeptWebhook {
  readonly caller: string;
  readonly headers: Headers;
  readonly payload: string;
  /** Absent where it is the payload. */
  readonly raw?: string;
}

async function explainWith(
  callerName: string | undefined,
  readWebhook: () => Promise<Omit<SavedWebhook, 'caller'>>,
): Promise<ExitCode> {
  const read = await readJudgingSettings(environment());
  if (read.kind === 'issues') {
    printIssues(read.issues);
    return EXIT_CODES.config.code;
  }
  const { tokensPath, configPath, mode } = read.value;
  const isOpen = tokensPath === undefined && configPath === undefined;
  const { callers } = await readCallerFiles(read.value);
  const caller = isOpen ? { name: callerName ?? 'any' } : callerFor(callerName, everyCaller(callers));
  if (typeof caller === 'string') {
    printError(`error: ${caller}`);
    return EXIT_CODES.usage.code;
  }
  if (isOpen)
    printError('Neither TOKENS_PATH nor CONFIG_PATH is set: the caller has no limits, and there are no rules.');
  const { lines, isSent } = explainWebhook({ ...(await readWebhook()), caller }, previewOf(mode));
  for (const line of lines) print(line);
  return isSent ? EXIT_CODES.ok.code : EXIT_CODES.failed.code;
}

function callerFor(name: string | undefined, callers: readonly Caller[]): Caller | string {
  const names = [...new Set(callers.map((caller) => caller.name))];
  const wanted = name ?? (names.length === 1 ? names[0] : undefined);
  const found = callers.find((caller) => caller.name === wanted);
  if (found !== undefined) return found;
  return names.length === 0 ? 'no caller is configured' : `--caller must name one of: ${names.join(', ')}`;
}

export interface SavedWebhook {
  readonly body: Uint8Array;
  readonly headers: Headers;
  readonly caller: Caller;
}

export interface Explanation {
  readonly lines: readonly string[];
  /** Whether anything would be sent to the sink. */
  readonly isSent: boolean;
}

/** Decodes and judges the webhook as receiving does, and has the sink preview what is accepted. */
export function explainWebhook({ body, headers, caller }: SavedWebhook, sink: Pick<Sink, 'preview'>): Explanation {
  const head = [`caller   ${caller.name}`];
  const decoded = decode(body, headers);
  if (decoded.kind === 'validation') return answered([...head, 'result   answered with the code of the validation']);
  if (decoded.kind === 'unreadable') return answered([...head, 'format   none', ...rejectionLines(decoded)]);
  head.push(`format   ${decoded.format}`);
  const events = [...decoded.events];
  if (events.length === 0) head.push('no event');
  const explained: Explanation[] = [];
  for (const judgement of judge({ ...decoded, events }, { body, headers, caller, receivedAt: 0 })) {
    if (isRejected(judgement)) {
      return answered([...head, ...events.flatMap(eventLines), ...rejectionLines(judgement)]);
    }
    explained.push(explainJudgement(judgement, sink));
  }
  return {
    lines: [
      ...head,
      ...events.flatMap((event, index) => [...eventLines(event, index, events), ...(explained[index]?.lines ?? [])]),
    ],
    isSent: explained.some(({ isSent }) => isSent),
  };
}

function answered(lines: readonly string[]): Explanation {
  return { lines, isSent: false };
}

function rejectionLines(rejection: Extract<Rejection, { kind: 'unreadable' | 'out-of-scope' }>): readonly string[] {
  const issues = rejection.kind === 'unreadable' ? rejection.issues : [rejection.issue];
  return [printable(`result   ${rejectionText(rejection)}`), printable(`detail   ${formatIssues(issues)}`)];
}

/** `rejected with 403 (out-of-scope)` */
export function rejectionText(rejection: Rejection): string {
  return `rejected with ${answerTo(rejection).status} (${rejection.kind})`;
}

/** `ignored (rule builds)` */
export function resultText(
  result: Pick<EventResult, 'kind'> & { readonly reason?: string; readonly rule?: string },
): string {
  const { kind, reason, rule } = result;
  if (reason === undefined) return kind;
  return `${kind} (${rule === undefined ? reason : `rule ${rule}`})`;
}

/** What the webhook says of the event. */
function eventLines(decoded: DecodedEvent, index: number, events: readonly DecodedEvent[]): readonly string[] {
  const { registry, resource, repository, tag, digest, region } = decoded.kind === 'nothing' ? {} : decoded.event;
  const action = decoded.kind === 'nothing' ? decoded.action : decoded.event.action;
  const fields = Object.entries({ registry, resource, repository, tag, digest, region });
  const given = fields.flatMap(([name, value]) => (value === undefined ? [] : [`${name} ${value}`]));
  return ['', `event ${index + 1} of ${events.length}`, printable(`  event    ${[action, ...given].join(', ')}`)];
}

function explainJudgement(judgement: Judgement, sink: Pick<Sink, 'preview'>): Explanation {
  if (judgement.kind === 'ignored') {
    const { registry, result } = judgement.receipt;
    const rule =
      result.kind === 'ignored' && result.reason === 'rule'
        ? [...registryLine(registry), `  rule     ${result.rule}: ignore`]
        : [];
    return answered([...rule, printable(`  result   ${resultText(result)}`)]);
  }
  const { record, rule } = judgement;
  const { event, deadLetter } = record;
  const rules = [...registryLine(event.registry), `  rule     ${rule ?? 'none matches'}: accept`];
  if (deadLetter !== undefined || !isRegistryEvent(event)) {
    const { reason = 'unreadable', detail = '' } = deadLetter ?? {};
    const isRuled = reason === 'no-registry';
    const result = `  result   ${resultText({ kind: 'dead-lettered', reason })}`;
    return answered([...(isRuled ? rules : []), result, printable(`  detail   ${detail}`)]);
  }
  const { traceparent } = record;
  const trace = traceparent === undefined ? {} : { traceparent };
  const preview = explainDelivery(
    { event, payload: payloadOf(record.raw, record.payload), delivery: 1, ...trace },
    sink,
  );
  return { ...preview, lines: [...rules, `  result   ${resultText({ kind: 'accepted' })}`, ...preview.lines] };
}

function registryLine(registry: string | undefined): readonly string[] {
  return [printable(`  registry ${registry ?? 'unknown'}`)];
}

function explainDelivery(event: Deliverable, sink: Pick<Sink, 'preview'>): Explanation {
  const message = sink.preview(event);
  if (message.kind === 'unmappable') {
    return answered([
      '  sent     nothing: the sink rejects it, and it becomes a dead letter',
      printable(`  detail   ${message.detail}`),
    ]);
  }
  const headers = Object.entries(message.headers).map(([name, value]) => `  header   ${name}: ${value}`);
  const note = message.note === undefined ? [] : [`  note     ${message.note}`];
  return {
    lines: [...note, ...headers, `  sent     ${jsonLines(message.body).replaceAll('\n', '\n  ')}`],
    isSent: true,
  };
}
