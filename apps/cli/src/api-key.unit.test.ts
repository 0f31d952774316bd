import { expect, test } from 'vitest'
import type { Context } from './command.ts'
import { apiKeyCommand } from './commands/api-key.ts'
import { tokenCommand } from './commands/token.ts'
import { readConfig } from './config.ts'

const config = readConfig({})
const context: Context = { config, environment: {}, say: () => undefined }

test.each([
  [['create', '--scopes', 'reserve'], '--user: a key with reserve alone must act for somebody'],
  [['create', '--name', 'x', '--scopes', 'root'], '--scopes: root is none of reserve, operate, admin'],
  [['create', '--scopes', 'admin'], '--name is missing'],
  [['create', '--name', 'x', '--scopes', 'admin', '--expires', 'soon'], '--expires: soon is not a time like'],
  [
    ['create', '--name', 'x', '--scopes', 'admin', '--expires', '2020-01-01T00:00:00Z'],
    'is not a time to come',
  ],
  [['revoke'], 'api-key revoke takes one id'],
  [['revoke', 'iron_0123456789abcdef_secret'], 'a whole key is not the id of an API key'],
  [['burn'], 'api-key has no subcommand burn'],
])('api-key %s is wrong usage, and says why', async (args, why) => {
  const fault: Error = await apiKeyCommand.run(args, context).then(
    () => new Error('it ran'),
    (error) => error,
  )
  expect([fault.name, fault.message]).toEqual(['UsageFault', expect.stringContaining(why)])
  expect(fault.message).not.toContain('secret')
})

test('a token is signed for what the API runs with, or not at all', async () => {
  await expect(tokenCommand.run(['--user', 'ann'], context)).rejects.toThrow(
    'JWT_SHARED_KEY, JWT_ISSUER, JWT_AUDIENCE of the environment must be what the API runs with',
  )
  const said: string[] = []
  const tokens = { sharedKey: 'x'.repeat(32), issuer: 'https://id.example', audience: 'ironsys' }
  const told = { ...context, config: { ...config, tokens }, say: (line: string) => void said.push(line) }
  expect(await tokenCommand.run(['--user', 'ann', '--scopes', 'operate', '--ttl', '90s'], told)).toBe(0)
  const claims = JSON.parse(Buffer.from(said[0]?.split('.')[1] ?? '', 'base64url').toString())
  expect(claims).toMatchObject({ iss: 'https://id.example', aud: 'ironsys', sub: 'ann', scope: 'operate' })
  expect(claims.exp - claims.iat).toBe(90)
  for (const args of [
    [],
    ['--user', 'a\nb'],
    ['--user', 'ann', '--ttl', '31d'],
    ['--user', 'ann', '--ttl', '0s'],
  ])
    await expect(tokenCommand.run(args, told)).rejects.toMatchObject({ name: 'UsageFault' })
  expect(() => readConfig({ JWT_SHARED_KEY: 'short' })).toThrow('JWT_SHARED_KEY: must have at least 32 bytes')
})
