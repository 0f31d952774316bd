/** Twins of the servers, in memory: no time and no faults of their own. */
export * from './memory-database.ts'
export type { StoredDecider } from './memory-lists.ts'
export * from './memory-log.ts'
export * from './memory-redis.ts'
export type { BuriedLetter } from './memory-tables.ts'
export * from './reservation-tables.ts'
export * from './wire.ts'
