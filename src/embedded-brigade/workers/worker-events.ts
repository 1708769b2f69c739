import type { StoredEvent, TerminalPhase } from '../stored-event.ts';

/**
 * The events as their workers need them. The store promises: each change is durable when the method returns, and none is
 * made to an event that is gone or has ended, such as one that was canceled.
 */
export interface WorkerEvents {
  /** Events that wait for their worker, oldest first. */
  nextPending(limit: number): readonly StoredEvent[];
  /** Takes an event from PENDING to RUNNING; false when it is not pending any more. */
  start(id: string): boolean;
  /** False when it has ended otherwise, or is gone. */
  end(id: string, phase: TerminalPhase): boolean;
  /** Events that are RUNNING: at start, those whose worker ended with the program. */
  running(): readonly StoredEvent[];
  /** Keeps what the worker says of its event in a few words. */
  summarise(id: string, text: string): void;
}
