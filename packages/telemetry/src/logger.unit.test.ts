import { expect, test } from 'vitest'
import { createLogger } from './logger.ts'

function captured(log: (logger: ReturnType<typeof createLogger>) => void): Record<string, unknown>[] {
  const lines: string[] = []
  log(createLogger({ name: 'test', level: 'info', destination: { write: (line) => void lines.push(line) } }))
  return lines.map((line) => JSON.parse(line))
}

test('a line is JSON with name, level by name, time in RFC 3339 and the fields', () => {
  const [line] = captured((logger) => logger.info({ slot_id: 's' }, 'said'))
  expect(line).toMatchObject({ name: 'test', level: 'info', msg: 'said', slot_id: 's' })
  expect(line?.time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
})

test('levels below the chosen one are not written', () => {
  expect(captured((logger) => logger.debug('quiet'))).toEqual([])
})

test('secrets are taken out at every depth we log at', () => {
  const secret = 'hunter2'
  const lines = captured((logger) => {
    logger.info({ password: secret, key: secret, authorization: secret })
    logger.info({ config: { idKey: secret, password: secret } })
    logger.info({ req: { headers: { authorization: secret, cookie: secret, 'x-api-key': secret } } })
  })
  expect(lines).toHaveLength(3)
  expect(JSON.stringify(lines)).not.toContain(secret)
  expect(lines[2]).toMatchObject({ req: { headers: { cookie: '[redacted]' } } })
})

test('errors keep type, message, stack, code and cause, without credentials of URLs', () => {
  const cause = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
  const error = new TypeError('no answer from postgres://ironsys:hunter2@db:5432/ironsys', { cause })
  const [line] = captured((logger) => {
    logger.error({ err: error }, 'failed')
    logger.error({ err: cause }, 'failed')
  })
  expect(JSON.stringify(line)).not.toContain('hunter2')
  expect(line?.err).toMatchObject({
    type: 'TypeError',
    message: expect.stringContaining('postgres://[redacted]@db:5432/ironsys: connect ECONNREFUSED'),
    stack: expect.stringContaining('caused by'),
  })
})

test('the password of a URL is cut out wherever it stands, and nothing else of the line', () => {
  const lines = captured((logger) => {
    logger.warn({ reason: 'no answer from rediss://me:hunt@er2@cache:6379' }, 'waiting')
    logger.info({ url: 'http://a.example/x', who: 'ann@b.example' }, 'served')
  })
  expect(lines).toMatchObject([
    { reason: 'no answer from rediss://[redacted]@cache:6379' },
    { url: 'http://a.example/x', who: 'ann@b.example' },
  ])
})

test('a token or an API key is cut out wherever it stands, and the line stays JSON', () => {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const token = `${part({ alg: 'HS256' })}.${part({ sub: 'ann' })}.c2lnbmF0dXJl`
  const key = `iron_0123456789abcdef_${'S'.repeat(43)}`
  const lines = captured((logger) => {
    logger.info({ anything: [`Bearer ${token}`], deep: { a: { b: { c: key } } } }, `got ${token}`)
    logger.child({ who: key }).error({ err: new Error(`refused "${token}"`) }, key)
  })
  const text = JSON.stringify(lines)
  for (const secret of [token, key, 'c2lnbmF0dXJl', 'SSSS', part({ sub: 'ann' })])
    expect(text).not.toContain(secret)
  expect(lines).toMatchObject([{ msg: 'got [redacted]' }, { msg: '[redacted]', who: '[redacted]' }])
})
