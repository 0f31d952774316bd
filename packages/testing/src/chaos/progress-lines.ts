/** What a person sees of the load while it runs. */
import { knowledgeOf, type Operation } from './history.ts'

/** Each call answers a line about the time since the call before. */
export function createProgressLines(operations: readonly Operation[], nowMs: () => number) {
  let lastMs = nowMs()
  let seen = 0
  return (inFlight: number): string => {
    const elapsedS = Math.max(1, nowMs() - lastMs) / 1000
    const fresh = operations.slice(seen)
    const taken = fresh.filter((operation) => knowledgeOf(operation) === 'taken').length
    lastMs = nowMs()
    seen = operations.length
    const perSecond = (count: number) => `${Math.round(count / elapsedS)}/s`
    return `  … ${seen} commands, ${perSecond(fresh.length)} sent, ${perSecond(taken)} of these taken, ${inFlight} requests under way`
  }
}
