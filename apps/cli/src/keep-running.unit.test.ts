import { EndedEarly, LocalFault, type RunningProcess } from '@ironsys/local'
import { expect, test } from 'vitest'
import { type KeptProcess, keepRunning, type Patience } from './keep-running.ts'

const impatient: Partial<Patience> = { startsMax: 3, steadyMs: 60_000, pauseMs: 0 }
const going = new AbortController().signal

/** A process that ends when it is told to. */
function fakeProcess(name: string) {
  const { promise, resolve } = Promise.withResolvers<string>()
  let ended = false
  const end = (how: string) => {
    ended = true
    resolve(how)
  }
  const running: RunningProcess = {
    name,
    pid: 1,
    logPath: `/nowhere/${name}.log`,
    exited: promise,
    hasExited: () => ended,
  }
  return { running, end }
}

/** One that is dead from the beginning, and after each of its starts at once. */
function deadProcess(name: string, startAgain?: KeptProcess['startAgain']): KeptProcess {
  const dead = (): RunningProcess => {
    const { running, end } = fakeProcess(name)
    end('killed by SIGKILL')
    return running
  }
  return { running: dead(), startAgain: startAgain ?? (async () => dead()) }
}

test('one that dies again and again is given up, and every death is told', async () => {
  const said: string[] = []
  const kept = keepRunning([deadProcess('redis')], (line) => said.push(line), going, impatient)
  await expect(kept).rejects.toThrow(
    'redis ended by itself (killed by SIGKILL), after 3 starts; its log: /nowhere/redis.log',
  )
  expect(said).toEqual(Array(3).fill('redis ended by itself (killed by SIGKILL); starting it again'))
})

test('each pause before a start is longer than the last one, and the first is none', async () => {
  const paused: number[] = []
  const pause = async (ms: number) => void paused.push(ms)
  const patience = { startsMax: 4, pauseMs: 1000, pause }
  const kept = keepRunning([deadProcess('worker')], () => undefined, going, patience)
  await expect(kept).rejects.toThrow('after 4 starts')
  expect(paused).toEqual([0, 1000, 2000, 3000])
})

test('one that ran for long enough in between may be started for ever', async () => {
  const asked = new AbortController()
  let starts = 0
  const living = deadProcess('worker')
  const startAgain = async (signal: AbortSignal) => {
    if (++starts === 20) asked.abort()
    return living.startAgain(signal)
  }
  const patience = { ...impatient, steadyMs: -1 }
  await keepRunning([{ ...living, startAgain }], () => undefined, asked.signal, patience)
  expect(starts).toBe(20)
})

test('one that ends before it is ready is started again, as often as one that ends later', async () => {
  const said: string[] = []
  const startAgain = async () => {
    throw new EndedEarly('postgres ended before it was ready')
  }
  const kept = keepRunning([deadProcess('postgres', startAgain)], (line) => said.push(line), going, impatient)
  await expect(kept).rejects.toThrow('postgres ended before it was ready, after 3 starts')
  expect(said.slice(1)).toEqual(Array(2).fill('postgres ended before it was ready; starting it again'))
})

test('one that hangs while it starts still runs: it is not started beside itself', async () => {
  let starts = 0
  const startAgain = async () => {
    starts += 1
    throw new LocalFault('kafka is not ready after 90 s')
  }
  const kept = keepRunning([deadProcess('kafka', startAgain)], () => undefined, going, impatient)
  await expect(kept).rejects.toThrow('kafka is not ready after 90 s')
  expect(starts).toBe(1)
})

test('when one is given up, a start of another that is under way is called off and waited for', async () => {
  let isUnderWay = false
  const slow = deadProcess('kafka', (signal) => {
    isUnderWay = true
    return new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () =>
        setImmediate(() => {
          isUnderWay = false
          reject(new LocalFault('kafka: the start was interrupted'))
        }),
      )
    })
  })
  const kept = keepRunning([slow, deadProcess('redis')], () => undefined, going, impatient)
  await expect(kept).rejects.toThrow(/^redis ended by itself/)
  expect(isUnderWay).toBe(false)
})

test('asked to stop, it leaves those that run and those that die meanwhile alone', async () => {
  const asked = new AbortController()
  const { running, end } = fakeProcess('api')
  const said: string[] = []
  const startAgain = () => Promise.reject(new Error('started again'))
  const kept = keepRunning([{ running, startAgain }], (line) => said.push(line), asked.signal, impatient)
  asked.abort()
  end('exit code 0')
  await kept
  expect(said).toEqual([])
})

test('it holds the process that it runs in, and lets go of it at the end', async () => {
  const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
  const asked = new AbortController()
  const before = timers()
  const { running } = fakeProcess('api')
  const startAgain = () => Promise.reject(new Error('started again'))
  const kept = keepRunning([{ running, startAgain }], () => undefined, asked.signal)
  expect(timers()).toBe(before + 1)
  asked.abort()
  await kept
  expect(timers()).toBe(before)
})
