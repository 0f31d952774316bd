/** Twins of the servers, in memory: no time and no faults of their own. */
export * from './memory-database.ts'
export * from './memory-log.ts'
export * from './memory-redis.ts'
export * from './reservation-tables.ts'
export * from './wire.ts'
