/** What the producer needs of a circuit breaker around the log. */
import type { Breaker } from '@ironsys/circuit-breaker'

export type ProduceBreaker = Pick<Breaker, 'call' | 'state' | 'isRefusing'>

/** For producers that nobody waits for, and whose own retries are all there is. */
export const alwaysClosed: ProduceBreaker = {
  call: (work) => work(),
  state: () => 'closed',
  isRefusing: () => false,
}
