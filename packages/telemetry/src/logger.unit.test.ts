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
