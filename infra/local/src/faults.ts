/** What goes wrong on a developer's machine and is told in one line, without a stack. */
export class LocalFault extends Error {
  override readonly name = 'LocalFault'
  /** The end of a log file, shown below the line. */
  readonly logTail: string

  constructor(message: string, logTail = '') {
    super(message)
    this.logTail = logTail
  }
}

/** A process ended while its start was waited for: nothing of it runs, and it may be started again. */
export class EndedEarly extends LocalFault {}
