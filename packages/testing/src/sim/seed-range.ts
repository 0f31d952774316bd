/** One thread of a run: simulates the seeds that it is given, one after the other. */
import { parentPort, workerData } from 'node:worker_threads'
import { z } from 'zod'
import { findMutant, plantMutant } from './mutation.ts'
import { installVirtualGlobals } from './virtual-globals.ts'

const port = parentPort
if (port === null) throw new Error('a thread of packages/testing/src/sim/seeds.ts')
const { mutant } = z.object({ mutant: z.string().nullable() }).parse(workerData)
const planted = mutant === null ? null : plantMutant(findMutant(mutant))
// After planting: what it loads may be what is mutated.
const { simulate } = await import('./simulation.ts')
installVirtualGlobals()
planted?.requireComplete()

port.on('message', async (message: unknown) => {
  const chunk = z.object({ from: z.int(), to: z.int() }).nullable().parse(message)
  if (chunk === null) {
    port.close()
    return
  }
  const { from, to } = chunk
  for (let seed = from; seed <= to; seed++) port.postMessage({ result: await simulate(seed, null) })
  port.postMessage({ result: null })
})
