import { afterEach, beforeEach, expect, test } from 'vitest'
import { redisReady } from './index.ts'
import { type OwnRedis, startOwnRedis } from './own-redis.fixture.ts'

let server: OwnRedis

beforeEach(async () => {
  server = await startOwnRedis()
})
afterEach(() => server.close())

test('a dead Redis is told once, commands fail at once, and the connection comes back by itself', async () => {
  const redis = server.connect()
  expect(await redisReady(redis, 10_000)).toBe(true)
  await server.kill()
  await expect.poll(() => server.logged).toHaveLength(1)
  await expect(redis.get('a')).rejects.toThrow()
  expect(await redisReady(redis, 20)).toBe(false)
  await server.start()
  expect(await redisReady(redis, 15_000)).toBe(true)
  expect(await redis.set('a', '1')).toBe('OK')
  expect(server.logged).toHaveLength(2)
})

test('a command on a frozen Redis ends with its time-out', async () => {
  const redis = server.connect(50)
  await redisReady(redis, 10_000)
  server.freeze()
  await expect(redis.get('a')).rejects.toThrow('Command timed out')
  server.thaw()
})

test('the guard script survives SCRIPT FLUSH and a restart', async () => {
  const redis = server.connect()
  await redisReady(redis, 10_000)
  const put = (version: number) => redis.putSnapshot('a', 1, version, `1:${version}:0:{}`, 60_000)
  expect(await put(1)).toBe(1)
  await redis.script('FLUSH')
  expect(await put(2)).toBe(1)
  await server.kill()
  await expect.poll(() => redis.status).not.toBe('ready')
  await server.start()
  expect(await redisReady(redis, 15_000)).toBe(true)
  expect(await put(3)).toBe(1)
})
