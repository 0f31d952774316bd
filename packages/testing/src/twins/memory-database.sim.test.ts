import { reservationDecider } from '@ironsys/reservations'
import { storeContract } from '../contract-suites/index.ts'
import { createMemoryDatabase } from './memory-database.ts'
import { erasedFromLedger, refusedByReservationTables } from './reservation-tables.ts'

storeContract(async () => {
  const database = createMemoryDatabase({
    decider: reservationDecider,
    refuses: refusedByReservationTables,
    rewrites: erasedFromLedger,
  })
  return {
    connect: (log) => database.connect(log),
    raiseEpoch: async (id) => database.raiseEpoch(id),
    deadLetters: async ({ topic, partition }) =>
      database.deadLetters
        .filter(({ id }) => id.topic === topic && id.partition === partition)
        .map(({ id: _id, ...letter }) => letter),
    ledger: async (slotId) =>
      database.ledger
        .filter(({ key }) => key === slotId)
        .map(({ after, atMs, event }) => ({ version: after.version, atMs, event })),
    close: async () => {},
  }
})
