/** For tests: a Redis for records of keyed requests. */
import type { ReplayRedis } from './replay-records.ts'

export interface MemoryRecords extends ReplayRedis {
  readonly texts: Map<string, string>
  /** `away`: each command fails. `frozen`: none is answered. */
  state: 'well' | 'away' | 'frozen'
  /** How often it was asked for a record. */
  asked: number
}

export function createMemoryRecords(): MemoryRecords {
  const answer = <T>(value: () => T): Promise<T> => {
    if (records.state === 'frozen') return new Promise(() => undefined)
    return records.state === 'away' ? Promise.reject(new Error('away')) : Promise.resolve(value())
  }
  const records: MemoryRecords = {
    texts: new Map(),
    state: 'well',
    asked: 0,
    get(name) {
      records.asked++
      return answer(() => records.texts.get(name) ?? null)
    },
    set: (name, text) => answer(() => records.texts.set(name, text)),
  }
  return records
}
