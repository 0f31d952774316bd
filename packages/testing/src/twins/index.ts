/** Twins of the engine's ports, in memory: no servers, no time of their own. */
export * from './memory-log.ts'
export * from './memory-store.ts'
