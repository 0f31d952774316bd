/** Where a test finds the real servers; vitest hands the addresses from the global set-up to the test's process. */
import { inject } from 'vitest'

export interface TestServices {
  /** The administrator's database: make your own with {@link createTestDatabase}. */
  readonly databaseUrl: string
  readonly redisUrl: string
  readonly kafkaBrokers: string[]
  /** The migrated database that test databases are copied from. */
  readonly templateDatabase: string
}

declare module 'vitest' {
  export interface ProvidedContext {
    services: TestServices
  }
}

/**
 * The servers of this test run. `.unit.test.ts` and `.sim.test.ts` files have none.
 * Redis and Kafka are shared by all files that run at the same time: use ids and topic names of your own.
 */
export function testServices(): TestServices {
  const services = inject('services')
  if (services === undefined) {
    throw new Error('no servers here: .unit.test.ts and .sim.test.ts files get none')
  }
  return services
}
