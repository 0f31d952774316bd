import { connect } from 'node:net'
import { Client } from 'pg'
import { expect, test } from 'vitest'
import { createTestDatabase, testServices } from './index.ts'

test('a test database is empty of other tests and goes away', async () => {
  const database = await createTestDatabase()
  const client = new Client({ connectionString: database.url })
  await client.connect()
  const answer = await client.query<{ on: string }>("SELECT current_setting('fsync') AS on")
  expect(answer.rows).toEqual([{ on: 'on' }])
  await client.end()
  await database.drop()
  const gone = new Client({ connectionString: database.url })
  await expect(gone.connect()).rejects.toThrow(/does not exist/)
})

test('redis answers', async () => {
  const { hostname, port } = new URL(testServices().redisUrl)
  const answer = await new Promise<string>((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => socket.write('PING\r\n'))
    socket.once('error', reject)
    socket.once('data', (data) => {
      socket.destroy()
      resolve(data.toString())
    })
  })
  expect(answer).toBe('+PONG\r\n')
})
