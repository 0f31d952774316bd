import { readFileSync } from 'node:fs'
import { rejectionCodes } from '@ironsys/contracts'
import { expect, test } from 'vitest'
import { problemTable } from './errors.ts'
import { createMemoryClient } from './memory-client.ts'
import { createMemoryWorld } from './memory-world.ts'
import { problemDocument } from './problem.ts'
import { problemsOf, routeList } from './routes.ts'

const codes = Object.keys(problemTable)

test('every rejection of a writer has a problem, and every code is in the style of a code', () => {
  expect(codes).toEqual(expect.arrayContaining([...rejectionCodes]))
  for (const code of codes) expect(code).toMatch(/^[a-z]+(-[a-z]+)*$/)
})

test('docs/errors.md lists the table: code, status, title and when', () => {
  const page = readFileSync(new URL('../../../docs/errors.md', import.meta.url), 'utf8')
  const rows = page.split('\n').filter((line) => line.startsWith('| `'))
  const expected = Object.entries(problemTable).map(
    ([code, { status, title, when }]) => `| \`${code}\` | ${status} | ${title} | ${when} |`,
  )
  expect(rows).toEqual(expected)
})

test('every code can be answered by some route, by the server before there is one, or by the operations port', () => {
  const ofServer = ['not-found', 'method-not-allowed', 'request-timeout']
  const ofOperations = codes.filter((code) => /^(dead-letter|config)-|^foreign-request$/.test(code))
  // What only the command line asks for.
  const ofRetention = ['not-over-yet']
  const answered = new Set<string>([
    ...routeList.flatMap(problemsOf),
    ...ofServer,
    ...ofOperations,
    ...ofRetention,
  ])
  expect([...answered].sort()).toEqual([...codes].sort())
})

test('a document has the members of RFC 9457 and no others that are empty', () => {
  expect(problemDocument({ code: 'sold-out', id: 'x' }, 'r1', '/reservations')).toEqual({
    type: '/problems/sold-out',
    title: 'Not enough units are left',
    detail:
      'The quantity is more than what is available. Ask for less, or join the waitlist if the slot has one.',
    status: 409,
    instance: '/reservations',
    code: 'sold-out',
    request_id: 'r1',
    id: 'x',
  })
})

test('the type of each problem leads to what it means, for programs and for people', async () => {
  const world = createMemoryWorld()
  const client = createMemoryClient(world)
  for (const [code, { status, title, when }] of Object.entries(problemTable)) {
    const { type } = problemDocument({ code: code as keyof typeof problemTable })
    const { body } = await client.call('GET', type)
    expect(body).toEqual({ type, title, status, code, when })
    const page = await client.call('GET', type, undefined, { accept: 'text/html,*/*;q=0.8' })
    expect(page.headers['content-type']).toBe('text/html; charset=utf-8')
    for (const part of [`<h1>${title}</h1>`, `${status}`, code, when]) expect(page.text).toContain(part)
    // Nothing of the table has to be escaped.
    expect(title + when).not.toMatch(/[<>&]/)
  }
  for (const code of ['constructor', 'sold-outs', 'sold-out/x'])
    expect(await client.tell('GET', `/problems/${code}`)).toBe('404 not-found')
  await world.app.close()
})
