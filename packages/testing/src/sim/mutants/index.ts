import { bookingMutants } from './bookings.ts'
import { commitMutants } from './commit.ts'
import { decidingMutants } from './deciding.ts'
import { leavingMutants } from './leaving.ts'
import { logMutants } from './log.ts'
import type { Mutant } from './mutant.ts'
import { waitingMutants } from './waiting.ts'

export type { Edit, Mutant } from './mutant.ts'

export const mutants: readonly Mutant[] = [
  ...commitMutants,
  ...logMutants,
  ...decidingMutants,
  ...waitingMutants,
  ...bookingMutants,
  ...leavingMutants,
]
