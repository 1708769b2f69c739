import type { StoredEvent, TerminalPhase } from './event.ts';
import { printable } from './printable.ts';
import type { LoadedProjects, ProjectIssue } from './project-files.ts';

/** How much of one worker's log is shown; `brig event logs` has the rest. */
const MAX_LINES = 20;
const MAX_LINE_LENGTH = 160;

/** Shows on the terminal which projects get an event, what their workers print, and how the workers end. */
export class EventScreen {
  readonly #print: (line: string) => void;
  readonly #lines = new Map<string, number>();

  constructor(print: (line: string) => void) {
    this.#print = print;
  }

  readonly onEvent = ({ type, projectID, shortTitle }: StoredEvent): void => {
    this.#print(printable(`event → project ${projectID}: ${shortTitle ?? type}`));
  };

  readonly onOutput = ({ metadata: { id }, projectID }: StoredEvent, line: string): void => {
    const count = (this.#lines.get(id) ?? 0) + 1;
    this.#lines.set(id, count);
    if (count > MAX_LINES + 1) return;
    const text = line.length > MAX_LINE_LENGTH ? `${line.slice(0, MAX_LINE_LENGTH)}…` : line;
    const shown =
      count > MAX_LINES ? `… (the rest: brig event logs --id ${id})` : printable(text.replaceAll('\t', '  '));
    this.#print(`  ${projectID} │ ${shown}`);
  };

  readonly onEnd = ({ metadata: { id }, projectID }: StoredEvent, phase: TerminalPhase): void => {
    this.#lines.delete(id);
    this.#print(`  ${projectID} ${phase === 'SUCCEEDED' ? '✓' : '✗'} ${phase}`);
  };
}

/** A line for each issue and warning of the project files. */
export function describeIssues({ issues, warnings }: LoadedProjects): readonly string[] {
  return [...issues.map(describe), ...warnings.map((warning) => `Warning: ${describe(warning)}`)];
}

function describe({ file, line, reason }: ProjectIssue): string {
  return printable(`${file}${line === undefined ? '' : `:${line}`}: ${reason}`);
}
