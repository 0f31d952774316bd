/**
 * Bugs that the simulator must find. Each is a small change of the real source (or, where the real thing is SQL, of the
 * twin that a contract suite keeps equal to it).
 */
export interface Mutant {
  readonly name: string
  /** What is wrong with it, in a line. */
  readonly what: string
  readonly edits: readonly Edit[]
}

export interface Edit {
  readonly file: string
  readonly find: string
  readonly replace: string
}

export function edit(file: string, find: string, replace: string): Edit {
  return { file, find, replace }
}
