import { Argument, Command, InvalidArgumentError, Option } from 'commander';
import { ROLES } from '../model/admin-token.ts';
import { Fault } from '../model/fault.ts';
import { ACTIONS } from '../model/registry-event.ts';
import { FORMATS } from '../model/webhook.ts';
import { completionScript, SHELLS } from './completion.ts';
import type { ExitCode } from './exit-codes.ts';
import { SAMPLE_ACTIONS, SAMPLE_FORMATS } from './sample-webhook.ts';
import { print } from './terminal.ts';
import { VERSION } from './version.ts';

const VERSION_LINE = `brigade-acr-gateway ${VERSION} (Node ${process.versions.node})`;

/**
 * The tree of commands; `docs/cli.md` and the shells' completion are made from it. A command is loaded when it runs: `version`
 * needs no SQLite, and `serve` no embedded Brigade.
 */
export function createProgram(end: (code: ExitCode) => void): Command {
  const program = new Command('brigade-acr-gateway')
    .description('Receives the events of Azure Container Registry and delivers them to the event bus of Brigade 2.')
    .exitOverride()
    .version(VERSION_LINE, '--version', 'print the version')
    .showHelpAfterError('(add --help for a list of commands and options)');
  program
    .command('serve')
    .description('run the gateway, configured by environment variables (docs/configuration.md)')
    .action(async () => end(await (await import('./serve.ts')).serve()));
  program
    .command('dev')
    .description('run the gateway with an embedded Brigade on this machine, to try it out')
    .option('--projects <folder>', 'folder of YAML files, one for each project (default: examples/)')
    .action(async (options) => {
      const { dev } = await checkoutOnly(() => import('./dev.ts'));
      end(await dev(options));
    });
  program.addCommand(brigadeCommand(end));
  program
    .command('check')
    .description('validate the configuration of serve, and ask Brigade whether it accepts the gateway’s events')
    .option('--explain <file>', 'explain instead what the gateway would do with a webhook whose body is in this file')
    .option(
      '--seq <seq>',
      'explain instead what it would do now with this event, which a running gateway has',
      wholeNumber,
    )
    .option('--headers <file>', 'file with its headers, one `Name: value` a line')
    .option('--caller <name>', 'the caller that sends it')
    .action(async (options) => {
      const isExplained = options.explain !== undefined || options.seq !== undefined;
      end(
        isExplained
          ? await (await import('./explain.ts')).explain(options)
          : await (await import('./check.ts')).check(),
      );
    });
  program
    .command('doctor')
    .description('examine configuration, callers, journal, Brigade and the running gateway, and say what to do')
    .option('--json', JSON_FLAG)
    .action(async (options) => end(await (await import('./doctor.ts')).doctor(options)));
  for (const create of [
    sendCommand,
    eventsCommand,
    deadLettersCommand,
    deliveriesCommand,
    redeliveriesCommand,
    tokenCommand,
  ]) {
    program.addCommand(create(end));
  }
  program
    .command('completion')
    .description('print a script with which a shell completes commands and flags')
    .addArgument(new Argument('<shell>', 'the shell').choices(SHELLS))
    .action((shell: (typeof SHELLS)[number]) => print(completionScript(program, shell)));
  program
    .command('version')
    .description('print the version')
    .action(() => print(VERSION_LINE));
  return program;
}

function brigadeCommand(end: (code: ExitCode) => void): Command {
  return (
    new Command('brigade')
      .description('run the embedded Brigade alone; it is empty at first (docs/embedded-brigade.md)')
      .exitOverride()
      // The package of the embedded Brigade reads the flags, --help included.
      .helpOption(false)
      .allowUnknownOption()
      .argument('[flags...]')
      .action(async (_, __, { args }: Command) => {
        const { brigade } = await checkoutOnly(() => import('./brigade.ts'));
        end(await brigade(args));
      })
  );
}

/** Loads a command that needs the embedded Brigade, which the image does not contain. */
async function checkoutOnly<T>(load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (error) {
    const isMissing = error instanceof Error && 'code' in error && error.code === 'ERR_MODULE_NOT_FOUND';
    throw isMissing ? new EmbeddedBrigadeMissing() : error;
  }
}

class EmbeddedBrigadeMissing extends Fault {
  override readonly name = 'EmbeddedBrigadeMissing';
  override readonly code = 'embedded_brigade_missing';

  constructor() {
    super(
      'This command needs the embedded Brigade, which the image does not contain: run it in a checkout, after "npm ci".',
    );
  }
}

function sendCommand(end: (code: ExitCode) => void): Command {
  return new Command('send')
    .description('send webhooks to a gateway, in the format of a registry, Event Grid or CloudEvents')
    .exitOverride()
    .argument('[url]', 'address of the gateway (default: WEBHOOK_URL, or http://127.0.0.1:8080/events)')
    .addOption(new Option('--format <format>', 'format of the webhooks').choices(SAMPLE_FORMATS).default('acr'))
    .addOption(new Option('--action <action>', 'action of the events').choices(SAMPLE_ACTIONS).default('push'))
    .option('--registry <host>', 'registry of the events', 'example.azurecr.io')
    .option('--repository <name>', 'repository of the events', 'hello-world')
    .option('--tag <tag>', 'tag of the events', 'v1')
    .option('--no-tag', 'send events without a tag, like a push by digest')
    .option('--count <number>', 'number of webhooks', wholeNumber, 1)
    .option('--concurrency <number>', 'number of webhooks in flight at a time', wholeNumber, 8)
    .option('--file <file>', 'send the body in this file instead')
    .option('--headers <file>', 'file with headers to add, one `Name: value` a line')
    .option('--token-file <file>', 'file with the token (default: WEBHOOK_TOKEN_PATH, or WEBHOOK_TOKEN)')
    .action(async (url: string | undefined, { tag, ...options }) => {
      const { sendWebhooks } = await import('./send.ts');
      end(await sendWebhooks(url, { ...options, tag: tag === false ? undefined : tag }));
    });
}

function eventsCommand(end: (code: ExitCode) => void): Command {
  const command = group('events', 'list and search events, find out what became of them, and send them again');
  const load = () => import('./events.ts');
  filtered(command.command('list').description('list events, newest first'))
    .option('--limit <number>', 'number of events', wholeNumber, 50)
    .option('--before <seq>', 'only events with a smaller sequence number', wholeNumber)
    .option('--json', JSON_FLAG)
    .action(async (options) => end(await (await load()).listEvents(options)));
  filtered(
    command.command('tail').description('print the last events, and every one that comes or changes, until a signal'),
  )
    .option('--json', 'print JSON, a line for each')
    .action(async (options) => end(await (await load()).tailEvents(options)));
  command
    .command('show')
    .description('print everything about an event: its attempts, headers and payload')
    .argument('<seq>', 'sequence number of the event', wholeNumber)
    .option('--json', JSON_FLAG)
    .action(async (seq: number, options) => end(await (await load()).showEvent(seq, options)));
  filtered(numbered(command.command('redeliver').description('deliver events again, with a new budget of attempts')))
    .option('--yes', 'redeliver what the flags find; without it, only say how many that are')
    .option('--per-second <number>', 'how many are made pending in a second', wholeNumber)
    .option('--detach', 'do not wait until all that the flags find are redelivered')
    .option('--json', JSON_FLAG)
    .action(async (seqs: number[], options) => end(await (await load()).redeliverEvents(seqs, options)));
  filtered(
    numbered(
      command.command('discard').description('give up dead letters for good; they stay in the books as discarded'),
    ),
  )
    .option('--yes', 'discard what the flags find; without it, only say how many that are')
    .option('--json', JSON_FLAG)
    .action(async (seqs: number[], options) => end(await (await load()).discardEvents(seqs, options)));
  return command;
}

/** The commands of `events` for dead letters alone, as earlier builds had them. */
function deadLettersCommand(end: (code: ExitCode) => void): Command {
  const command = group('dead-letters', 'the commands of events, with --state dead-letter');
  const load = () => import('./events.ts');
  const state = 'dead-lettered';
  command
    .command('list')
    .description('list dead letters, newest first')
    .option('--limit <number>', 'number of dead letters', wholeNumber, 50)
    .option('--before <seq>', 'only dead letters with a smaller sequence number', wholeNumber)
    .option('--json', JSON_FLAG)
    .action(async (options) => end(await (await load()).listEvents({ ...options, state })));
  command
    .command('show')
    .description('print everything about an event as JSON, including its payload')
    .argument('<seq>', 'sequence number of the event', wholeNumber)
    .action(async (seq: number) => end(await (await load()).showEvent(seq, { json: true })));
  numbered(command.command('redeliver').description('deliver events again'))
    .option('--all', 'redeliver every dead letter')
    .action(async (seqs: number[], { all }) => {
      const options = all === true ? ({ state, yes: true } as const) : {};
      end(await (await load()).redeliverEvents(seqs, options));
    });
  numbered(command.command('discard').description('give up dead letters for good')).action(async (seqs: number[]) =>
    end(await (await load()).discardEvents(seqs, {})),
  );
  return command;
}

function deliveriesCommand(end: (code: ExitCode) => void): Command {
  const command = group('deliveries', 'pause and resume deliveries; webhooks are accepted all the time');
  const load = () => import('./deliveries.ts');
  command
    .command('status')
    .description('print whether deliveries are paused, the breaker, and what waits')
    .option('--json', JSON_FLAG)
    .action(async (options) => end(await (await load()).showDeliveries(options)));
  command
    .command('pause')
    .description('deliver nothing until "deliveries resume", after a restart too')
    .option('--json', JSON_FLAG)
    .action(async (options) => end(await (await load()).pauseDeliveries(options)));
  command
    .command('resume')
    .description('deliver again')
    .option('--json', JSON_FLAG)
    .action(async (options) => end(await (await load()).resumeDeliveries(options)));
  return command;
}

function redeliveriesCommand(end: (code: ExitCode) => void): Command {
  const command = group('redeliveries', 'list and cancel redeliveries of everything that flags found');
  const load = () => import('./redeliveries.ts');
  command
    .command('list')
    .description('list redeliveries and their progress, newest first')
    .option('--json', JSON_FLAG)
    .action(async (options) => end(await (await load()).listRedeliveries(options)));
  command
    .command('cancel')
    .description('stop a redelivery; what it made pending stays pending')
    .argument('<id>', 'id of the redelivery')
    .action(async (id: string) => end(await (await load()).cancelRedelivery(id)));
  return command;
}

function tokenCommand(end: (code: ExitCode) => void): Command {
  const command = group('token', 'make tokens and entries for the tokens files, and list callers');
  const load = () => import('./token.ts');
  const role = () =>
    new Option('--role <role>', 'make an entry for the file of admin tokens instead, with this role')
      .choices(ROLES)
      .conflicts('registry');
  command
    .command('new')
    .description('print a new random token, and its entry for the tokens file, which has only its digest')
    .argument('<name>', 'name of the caller')
    .option('--registry <host>', 'bind the caller to this registry')
    .addOption(role())
    .option('--json', JSON_FLAG)
    .action(async (name: string, options) => end(await (await load()).newToken(name, options)));
  command
    .command('hash')
    .description('print the SHA-256 of a token, for a tokens file')
    .option('--token-file <file>', 'file with the token (default: standard input)')
    .action(async (options) => end(await (await load()).hashToken(options)));
  command
    .command('list')
    .description('list the callers in TOKENS_PATH and CONFIG_PATH, and what they may send')
    .option('--json', JSON_FLAG)
    .action(async (options) => end(await (await load()).listTokens(options)));
  return command;
}

const STATES = ['pending', 'delivered', 'dead-lettered', 'discarded'] as const;

const JSON_FLAG = 'print JSON';

function group(name: string, description: string): Command {
  return new Command(name).description(description).exitOverride();
}

/** Adds the flags that say which events. */
function filtered(command: Command): Command {
  const state = new Option('--state <state>', 'only events in this state; dead-letter is dead-lettered');
  return command
    .addOption(state.choices(STATES).argParser(parseState))
    .option('--registry <host>', 'only events of this registry')
    .option('--repository <glob>', 'only of these repositories; * matches within one path segment, ** across')
    .option('--tag <tag>', 'only of this tag')
    .option('--digest <digest>', 'only of this digest')
    .option('--id <id>', 'only with this event id')
    .addOption(new Option('--action <action>', 'only of this action').choices(ACTIONS))
    .addOption(new Option('--format <format>', 'only that came in this format').choices(FORMATS))
    .option('--caller <name>', 'only from this caller')
    .option('--matched', 'only delivered events to which a project subscribes')
    .option('--unmatched', 'only delivered events to which no project subscribes')
    .option('--since <time>', 'only received since: 15m, 1h or 7d ago, or an ISO time', parseTime)
    .option('--until <time>', 'only received before, likewise', parseTime);
}

function numbered(command: Command): Command {
  return command.argument('[seq...]', 'sequence numbers of the events', (value: string, seqs: number[] = []) => [
    ...seqs,
    wholeNumber(value),
  ]);
}

function parseState(text: string): (typeof STATES)[number] {
  const state = STATES.find((each) => each === (text === 'dead-letter' ? 'dead-lettered' : text));
  if (state !== undefined) return state;
  throw new InvalidArgumentError(`Allowed choices are ${STATES.join(', ')}.`);
}

/** The gateway computes with durations, by its own clock. */
function parseTime(text: string): string {
  const isTime = /^\d{4}-\d\d-\d\d([T ][\d:.]+)?(Z|[+-]\d\d:\d\d)?$/.test(text) && !Number.isNaN(Date.parse(text));
  if (isTime) return new Date(text).toISOString();
  if (/^\d{1,9}(s|m|h|d)$/.test(text)) return text;
  throw new InvalidArgumentError(
    'Expected a duration such as 90s, 15m, 1h or 7d, or a time such as 2026-01-31T14:00:00Z.',
  );
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(value) && value > 0) return value;
  throw new InvalidArgumentError('Expected a whole number above 0.');
}
