import { CommanderError } from 'commander';
import { describeError, EXIT_CODES, type ExitCode, exitCodeOf } from './exit-codes.ts';
import { createProgram } from './program.ts';
import { printError } from './terminal.ts';

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
    // Commander has printed its message. --help and --version end here too, with 0.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_CODES.ok.code : EXIT_CODES.usage.code;
    printError(describeError(error));
    return exitCodeOf(error);
  }
}
