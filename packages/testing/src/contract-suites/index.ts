/** One suite per port, run against the twin and against the real server: what keeps the twins honest. */
export { type LogUnderTest, logContract, type ReaderUnderTest } from './log-contract.ts'
export * from './reservation-batches.ts'
export { type RedisUnderTest, snapshotContract } from './snapshot-contract.ts'
export { type DatabaseUnderTest, type LedgerLine, storeContract } from './store-contract.ts'
export * from './stored-states.ts'
