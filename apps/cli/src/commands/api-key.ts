/** `./ironsys api-key <what>`: each subcommand is a command of its own, with its own help. */
import { apiKeyIdPattern, apiKeyListMax, createApiKeyStore, type Scope, scopes } from '@ironsys/access'
import { nameSchema, userIdSchema } from '@ironsys/contracts'
import { LocalFault } from '@ironsys/local'
import { apiKeyTable, apiKeyText } from '../api-key-text.ts'
import { readArguments, readOptions } from '../arguments.ts'
import { type Command, UsageFault } from '../command.ts'
import { withPool } from '../deployment.ts'
import { durationSeconds } from '../durations.ts'
import { commandHelp } from '../help.ts'
import { oneOf } from '../option-values.ts'

const PURPOSE = 'api-key'
const LIFE_SECONDS_MAX = 3650 * 86_400

const createCommand: Command = {
  name: 'api-key create',
  summary: 'make an API key and show it, once',
  usage: '--name <text> --scopes <list> [--user <id>] [--expires <when>] [--json]',
  details: `  --name     what it is for, for people
  --scopes   of ${scopes.join(', ')}, with commas; each includes those before it
  --user     whom it acts for: with reserve alone it needs somebody, whose things are then its own
  --expires  after a time (12h, 30d) or at one (2027-01-31T00:00:00Z); never when it is not given
  --json     {"key": "iron_…", "id": …, …}

Only the hash of the key is stored: nobody can show it again. Clients send it as Authorization: Bearer iron_….`,
  run: async (args, { config, say }) => {
    const options = readOptions(args, {
      name: { type: 'string' },
      scopes: { type: 'string' },
      user: { type: 'string' },
      expires: { type: 'string' },
      json: { type: 'boolean', default: false },
    })
    const granted = scopesOf(options.scopes)
    const userId = options.user === undefined ? null : userOf(options.user)
    if (userId === null && granted.every((scope) => scope === 'reserve'))
      throw new UsageFault('--user: a key with reserve alone must act for somebody')
    const key = {
      name: nameOf(options.name),
      scopes: granted,
      userId,
      expiresAt: options.expires === undefined ? null : expiryOf(options.expires, Date.now()),
    }
    const { row, text } = await withPool(config, PURPOSE, (pool) => createApiKeyStore(pool).create(key))
    if (options.json) say(JSON.stringify({ key: text, ...row }))
    else say(`${text}\n\n${apiKeyText(row)}\nKeep it now: only its hash is stored, nobody can show it again.`)
    return 0
  },
}

const listCommand: Command = {
  name: 'api-key list',
  summary: 'list API keys, the newest first',
  usage: '[--all] [--json]',
  details: `  --all   also those that are revoked or have expired; at most ${apiKeyListMax}
  --json  {"items": […]}`,
  run: async (args, { config, say }) => {
    const options = readOptions(args, {
      all: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    })
    const items = await withPool(config, PURPOSE, (pool) => createApiKeyStore(pool).list(options.all))
    if (options.json) say(JSON.stringify({ items }))
    else say(items.length === 0 ? 'no API keys' : apiKeyTable(items, Date.now()))
    return 0
  },
}

const revokeCommand: Command = {
  name: 'api-key revoke',
  summary: 'revoke an API key, for good: within a second nothing takes it any more',
  usage: '<id>',
  details: 'The id is the part between the underscores, as api-key list shows it.',
  run: async (args, { config, say }) => {
    const [id, ...more] = readArguments(args, {}).positionals
    if (id === undefined || more.length > 0) throw new UsageFault('api-key revoke takes one id')
    if (!apiKeyIdPattern.test(id)) throw new UsageFault(`${idOnly(id)} is not the id of an API key`)
    const revoked = await withPool(config, PURPOSE, (pool) => createApiKeyStore(pool).revoke(id))
    if (revoked === null) throw new LocalFault(`there is no API key ${id}`)
    const at = revoked.row.revoked_at?.toISOString()
    say(revoked.again ? `API key ${id} was revoked before, ${at}` : `API key ${id} is revoked`)
    return 0
  },
}

const subcommands = [createCommand, listCommand, revokeCommand]

export const apiKeyCommand: Command = {
  name: 'api-key',
  summary: 'make, list and revoke the API keys of machines',
  usage: 'create|list|revoke [arguments]',
  details: `The API takes them with AUTH_MODE=jwt, beside tokens (docs/authentication.md).

${subcommands.map((each) => `  ${each.name.padEnd(14)}  ${each.summary}`).join('\n')}

./ironsys api-key <subcommand> --help says more.`,
  run: async ([name, ...args], context) => {
    if (name === undefined || name === '--help' || name === '-h') {
      context.say(commandHelp(apiKeyCommand))
      return 0
    }
    const subcommand = subcommands.find((each) => each.name === `api-key ${name}`)
    if (subcommand === undefined) throw new UsageFault(`api-key has no subcommand ${name}`)
    if (args.includes('--help') || args.includes('-h')) {
      context.say(commandHelp(subcommand))
      return 0
    }
    return subcommand.run(args, context)
  },
}

/** `--scopes`, each once. Throws {@link UsageFault}. */
export function scopesOf(text: string | undefined): readonly Scope[] {
  if (text === undefined) throw new UsageFault(`--scopes is missing: of ${scopes.join(', ')}`)
  return [...new Set(text.split(',').map((word) => oneOf('--scopes', word, scopes)))]
}

/** `--user`. Throws {@link UsageFault}. */
export function userOf(text: string): string {
  const { data } = userIdSchema.safeParse(text)
  if (data !== undefined) return data
  throw new UsageFault('--user: a user id has 1 to 128 printable characters')
}

function nameOf(text: string | undefined): string {
  if (text === undefined) throw new UsageFault('--name is missing: what the key is for')
  const { data } = nameSchema.safeParse(text)
  if (data !== undefined) return data
  throw new UsageFault('--name: a name has 1 to 200 printable characters')
}

function expiryOf(text: string, nowMs: number): Date {
  const atMs = /^\d{4}-\d\d-\d\dT/.test(text)
    ? Date.parse(text)
    : nowMs + durationSeconds('--expires', text, LIFE_SECONDS_MAX) * 1000
  if (atMs > nowMs) return new Date(atMs)
  throw new UsageFault(`--expires: ${text} is not a time to come`)
}

/** Somebody may have given the whole key: its secret is not repeated. */
function idOnly(text: string): string {
  return text.startsWith('iron_') ? 'a whole key' : text
}
