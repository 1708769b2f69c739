import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { Fault } from '../model/fault.ts';
import { describeError, EXIT_CODES, type ExitCode, exitCodeOf } from './exit-codes.ts';
import { SAMPLE_ACTIONS, SAMPLE_FORMATS } from './sample-webhook.ts';
import { print, printError } from './terminal.ts';
import { VERSION } from './version.ts';

/** Runs the command in the arguments and resolves to the exit code. Never rejects. */
export async function main(args: readonly string[]): Promise<number> {
  let exitCode: ExitCode = EXIT_CODES.ok.code;
  const program = createProgram((code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync([...args], { from: 'user' });
    return exitCode;
  } catch (error) {
    // Commander has printed its message. --help ends here too, with 0.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_CODES.ok.code : EXIT_CODES.usage.code;
    printError(describeError(error));
    return exitCodeOf(error);
  }
}

// A command is loaded when it runs: `version` needs no SQLite, and `serve` no embedded Brigade.
function createProgram(end: (code: ExitCode) => void): Command {
  const program = new Command('brigade-acr-gateway')
    .description('Receives the events of Azure Container Registry and delivers them to the event bus of Brigade 2.')
    .exitOverride()
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
    .option('--headers <file>', 'file with its headers, one `Name: value` a line')
    .option('--caller <name>', 'the caller that sends it')
    .action(async (options) => end(await (await import('./check.ts')).check(options)));
  program.addCommand(sendCommand(end));
  program.addCommand(deadLettersCommand(end));
  program
    .command('version')
    .description('print the version')
    .action(() => print(`brigade-acr-gateway ${VERSION} (Node ${process.versions.node})`));
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

function deadLettersCommand(end: (code: ExitCode) => void): Command {
  const command = new Command('dead-letters')
    .description(
      'list events that could not be delivered, and redeliver them, through the admin port of a running gateway',
    )
    .exitOverride();
  const load = () => import('./dead-letters.ts');
  command
    .command('list')
    .description('list dead letters, newest first')
    .option('--limit <number>', 'number of dead letters', wholeNumber, 50)
    .option('--before <seq>', 'only dead letters with a smaller sequence number', wholeNumber)
    .option('--json', 'print JSON')
    .action(async (options) => end(await (await load()).listDeadLetters(options)));
  command
    .command('show')
    .description('print everything about an event, including its payload')
    .argument('<seq>', 'sequence number of the event', wholeNumber)
    .action(async (seq: number) => end(await (await load()).showEvent(seq)));
  command
    .command('redeliver')
    .description('deliver events to Brigade again')
    .argument('[seq...]', 'sequence numbers of the events', (value: string, seqs: number[] = []) => [
      ...seqs,
      wholeNumber(value),
    ])
    .option('--all', 'redeliver every dead letter')
    .action(async (seqs: number[], options) => end(await (await load()).redeliverEvents(seqs, options)));
  return command;
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(value) && value > 0) return value;
  throw new InvalidArgumentError('Expected a whole number above 0.');
}
