import { readOutcome } from '@ironsys/contracts'
import { dueKeys, prefetch, readPrefetched } from './load.ts'
import { save } from './save.ts'

export { loadState, readState } from './load.ts'
export type { SavedState } from './save.ts'

/** Satisfies `DomainTables` of packages/postgres. */
export const reservationTables = { prefetch, read: readPrefetched, dueKeys, save, readOutcome }
