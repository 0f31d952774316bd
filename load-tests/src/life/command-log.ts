/** Writes commands straight into one partition of the log, past the API: it is the worker that is measured. */
import { topics } from '@ironsys/contracts'
import { createCommandProducer, silentLogger } from '@ironsys/kafka'
import type { LogCommand } from './commands.ts'

/** Offsets. */
export interface Span {
  readonly first: number
  readonly last: number
}

export interface Place {
  readonly offset: number
  /** LogAppendTime, Unix milliseconds. */
  readonly timeMs: number
}

export interface CommandLog {
  append(command: LogCommand): Promise<Place>
  /** All of them, in this order; answers where the first and the last came to lie. */
  appendAll(commands: Iterable<LogCommand>): Promise<Span>
  close(): Promise<void>
}

/** Handed to the producer at once, below what it queues. */
const CHUNK_COMMANDS = 5000

export async function createCommandLog(brokers: readonly string[], partition: number): Promise<CommandLog> {
  const settings = { brokers, clientId: 'bench-life', logger: silentLogger }
  // One request at a time keeps the order; large ones keep what is sent at once within a few milliseconds.
  const producer = createCommandProducer(settings, { maxInFlight: 1, maxBatchMessages: CHUNK_COMMANDS })
  await producer.connect()
  const id = { topic: topics.reservationCommands, partition }
  const append = ({ key, value }: LogCommand): Promise<Place> => producer.append(id, key, value)
  return {
    append,
    appendAll: async (commands) => {
      const bounds: number[] = []
      for (const chunk of chunksOf(commands, CHUNK_COMMANDS)) {
        const places = await Promise.all(chunk.map(append))
        for (const place of [places[0], places.at(-1)]) if (place !== undefined) bounds.push(place.offset)
      }
      const [first, last] = [bounds[0], bounds.at(-1)]
      if (first === undefined || last === undefined) throw new RangeError('no commands to append')
      return { first, last }
    },
    close: () => producer.close(),
  }
}

function* chunksOf(commands: Iterable<LogCommand>, size: number): Iterable<readonly LogCommand[]> {
  let chunk: LogCommand[] = []
  for (const each of commands) {
    chunk.push(each)
    if (chunk.length < size) continue
    yield chunk
    chunk = []
  }
  if (chunk.length > 0) yield chunk
}
