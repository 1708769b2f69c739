import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { Fault } from '../model/fault.ts';
import { describeError, EXIT_CODES, type ExitCode, exitCodeOf } from './exit-codes.ts';
import { SAMPLE_ACTIONS, SAMPLE_FORMATS } from './sample-webhook.ts';
import { print, printError } from './terminal.ts';
import { VERSION } from './version.ts';

/** Runs the command that the arguments name and resolves to the exit code. Never rejects. */
export async function main(args: readonly string[]): Promise<number> {
  let exitCode: ExitCode = EXIT_CODES.ok.code;
  const program = createProgram((code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync([...args], { from: 'user' });
    return exitCode;
  } catch (error) {
    // Commander has printed its message already; --help and --version end here too, with 0.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_CODES.ok.code : EXIT_CODES.usage.code;
    printError(describeError(error));
    return exitCodeOf(error);
  }
}

// Each command is loaded when it runs: `version` needs no SQLite, and `serve` no embedded Brigade.
function createProgram(end: (code: ExitCode) => void): Command {
  const program = new Command('brigade-acr-gateway')
    .description('Receives the events of Azure Container Registry and emits them into the event bus of Brigade 2.')
    .exitOverride()
    .showHelpAfterError('(add --help for what there is)');
  program
    .command('serve')
    .description('run the gateway, configured by environment variables (docs/configuration.md)')
    .action(async () => end(await (await import('./serve.ts')).serve()));
  program
    .command('dev')
    .description('run the gateway with an embedded Brigade on this machine, for trying it out')
    .option('--projects <folder>', 'folder of YAML files, each a project; examples/ if absent')
    .action(async (options) => {
      const { dev } = await checkoutOnly(() => import('./dev.ts'));
      end(await dev(options));
    });
  program.addCommand(brigadeCommand(end));
  program
    .command('check')
    .description('validate the configuration of serve, and ask Brigade whether it would take our events')
    .option('--explain <file>', 'tell instead what would become of a webhook whose body is saved there')
    .option('--headers <file>', 'its headers, `Name: value` on a line each')
    .option('--caller <name>', 'who is to have sent it')
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
      .description('run the embedded Brigade alone, empty at first start (docs/embedded-brigade.md)')
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
    .description('send webhooks to a gateway, as registries, Event Grid and others would')
    .exitOverride()
    .argument('[url]', 'where to (WEBHOOK_URL, else http://127.0.0.1:8080/events)')
    .addOption(new Option('--format <format>', 'how they are written').choices(SAMPLE_FORMATS).default('acr'))
    .addOption(new Option('--action <action>', 'what happened').choices(SAMPLE_ACTIONS).default('push'))
    .option('--registry <host>', 'where', 'example.azurecr.io')
    .option('--repository <name>', 'to what', 'hello-world')
    .option('--tag <tag>', 'with which tag', 'v1')
    .option('--no-tag', 'with none, as by digest')
    .option('--count <number>', 'how many', wholeNumber, 1)
    .option('--concurrency <number>', 'how many at a time', wholeNumber, 8)
    .option('--file <file>', 'send this saved body instead')
    .option('--headers <file>', 'send these headers as well, `Name: value` on a line each')
    .option('--token-file <file>', 'where the token is (WEBHOOK_TOKEN_PATH, WEBHOOK_TOKEN)')
    .action(async (url: string | undefined, { tag, ...options }) => {
      const { sendWebhooks } = await import('./send.ts');
      end(await sendWebhooks(url, { ...options, tag: tag === false ? undefined : tag }));
    });
}

function deadLettersCommand(end: (code: ExitCode) => void): Command {
  const command = new Command('dead-letters')
    .description(
      'look at what could not be delivered, and deliver it again (talks to the admin port of a running gateway)',
    )
    .exitOverride();
  const load = () => import('./dead-letters.ts');
  command
    .command('list')
    .description('list dead letters, the newest first')
    .option('--limit <number>', 'how many', wholeNumber, 50)
    .option('--before <seq>', 'only those with a smaller sequence number', wholeNumber)
    .option('--json', 'print JSON')
    .action(async (options) => end(await (await load()).listDeadLetters(options)));
  command
    .command('show')
    .description('print everything that is known of an event, its payload included')
    .argument('<seq>', 'its sequence number', wholeNumber)
    .action(async (seq: number) => end(await (await load()).showEvent(seq)));
  command
    .command('redeliver')
    .description('offer events to Brigade once more')
    .argument('[seq...]', 'their sequence numbers', (value: string, seqs: number[] = []) => [
      ...seqs,
      wholeNumber(value),
    ])
    .option('--all', 'every dead letter')
    .action(async (seqs: number[], options) => end(await (await load()).redeliverEvents(seqs, options)));
  return command;
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(value) && value > 0) return value;
  throw new InvalidArgumentError('Expected a whole number above 0.');
}
