import { Fault } from '../model/fault.ts';

/** A journal that cannot be opened, or that broke in a way that only a restart or an operator can fix. */
export class JournalFault extends Fault {
  override readonly name = 'JournalFault';
  /**
   * - `journal_locked`: another process owns it;
   * - `journal_unreadable`: its file is damaged, lacks events, or is not a journal;
   * - `journal_unusable`: its folder cannot be used (rights, kind of file system);
   * - `journal_failed`: it does not heal, it is closed, or its thread died.
   */
  readonly code: 'journal_locked' | 'journal_unreadable' | 'journal_unusable' | 'journal_failed';

  constructor(code: JournalFault['code'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
