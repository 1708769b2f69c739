import type { LoadedProjects, ProjectIssue } from '../embedded-brigade/load-projects.ts';
import type { StoredEvent, TerminalPhase } from '../embedded-brigade/stored-event.ts';
import { print, printable, printError } from './terminal.ts';

/** Of one worker's log on the terminal; `brig event logs` has the rest. */
const MAX_LINES = 20;
const MAX_LINE_LENGTH = 160;

/** Shows on the terminal what becomes of events: their project, what its worker prints, and how it ends. */
export class EventScreen {
  readonly #lines = new Map<string, number>();

  readonly onEvent = ({ type, projectID, shortTitle }: StoredEvent): void => {
    print(`event → project ${projectID}: ${printable(shortTitle ?? type)}`);
  };

  readonly onOutput = ({ metadata: { id }, projectID }: StoredEvent, line: string): void => {
    const count = (this.#lines.get(id) ?? 0) + 1;
    this.#lines.set(id, count);
    if (count > MAX_LINES + 1) return;
    const text = line.length > MAX_LINE_LENGTH ? `${line.slice(0, MAX_LINE_LENGTH)}…` : line;
    const shown =
      count > MAX_LINES ? `… (the rest: brig event logs --id ${id})` : printable(text.replaceAll('\t', '  '));
    print(`  ${projectID} │ ${shown}`);
  };

  readonly onEnd = ({ metadata: { id }, projectID }: StoredEvent, phase: TerminalPhase): void => {
    this.#lines.delete(id);
    print(`  ${projectID} ${phase === 'SUCCEEDED' ? '✓' : '✗'} ${phase}`);
  };
}

/** Prints what is wrong with the files of projects. */
export function printProjectIssues({ issues, warnings }: LoadedProjects): void {
  for (const issue of issues) printError(described(issue));
  for (const warning of warnings) printError(`Warning: ${described(warning)}`);
}

function described({ file, line, reason }: ProjectIssue): string {
  return `${file}${line === undefined ? '' : `:${line}`}: ${reason}`;
}
