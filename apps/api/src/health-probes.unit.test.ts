import type { BreakerState } from '@ironsys/circuit-breaker'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { DependencyName } from './deps.ts'
import { type HealthProbes, probeLimits, startHealthProbes } from './health-probes.ts'

let probes: HealthProbes
let isUp: Record<DependencyName, boolean>
let breakers: Record<DependencyName, BreakerState>
let closed: (name: DependencyName) => void
let told: string[]

beforeEach(() => {
  vi.useFakeTimers()
  isUp = { postgres: true, redis: true, kafka: true }
  breakers = { postgres: 'closed', redis: 'closed', kafka: 'closed' }
  told = []
  const probe = (name: DependencyName) => async () => {
    if (!isUp[name]) throw new Error(`${name} is out`)
  }
  const stateOf = (name: DependencyName) => ({ state: () => breakers[name] })
  probes = startHealthProbes(
    { postgres: probe('postgres'), redis: probe('redis'), kafka: probe('kafka') },
    {
      postgres: stateOf('postgres'),
      redis: stateOf('redis'),
      kafka: stateOf('kafka'),
      onClosed: (listener) => {
        closed = listener
      },
    },
    (name, state) => void told.push(`${name} ${state}`),
  )
})

afterEach(() => {
  probes.close()
  vi.useRealTimers()
})

const look = () => vi.advanceTimersByTimeAsync(probeLimits.everyMs)

test('while the breaker is closed the last look decides, and each change is told once', async () => {
  isUp.kafka = false
  await look()
  await look()
  expect(probes.states()).toEqual({ postgres: 'up', redis: 'up', kafka: 'down' })
  isUp.kafka = true
  await look()
  expect(probes.states().kafka).toBe('up')
  expect(told).toEqual(['kafka down', 'kafka up'])
})

test('an open breaker is down and a half-open one degraded, whatever a look finds', async () => {
  breakers.postgres = 'open'
  expect(probes.states().postgres).toBe('down')
  await look()
  expect(probes.states().postgres).toBe('down')
  breakers.postgres = 'half-open'
  expect(probes.states().postgres).toBe('degraded')
  expect(told).toEqual([])
})

test('a breaker that closes is up at once, though the last look was in the outage', async () => {
  isUp.redis = false
  await look()
  breakers.redis = 'open'
  expect(probes.states().redis).toBe('down')
  breakers.redis = 'closed'
  closed('redis')
  expect(probes.states().redis).toBe('up')
})
