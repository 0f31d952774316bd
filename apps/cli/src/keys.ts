/** The two keys of a deployment. Made once, kept in the stack's folder, readable by its owner only. */
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { folders, LocalFault } from '@ironsys/local'
import { z } from 'zod'
import type { CliConfig } from './config.ts'

const schema = z.object({ idKey: z.string().regex(/^[0-9a-f]{64}$/), cursorKeys: z.string().min(1) })

export type Keys = z.infer<typeof schema>

/** What the environment gives wins; the rest is read, or made at the first start. */
export function deploymentKeys(config: CliConfig, path: string = join(folders.stack, 'keys.json')): Keys {
  const { idKey, cursorKeys } = config
  if (idKey !== null && cursorKeys !== null) return { idKey, cursorKeys }
  const kept = existsSync(path) ? readKeys(path) : makeKeys(path)
  return { idKey: idKey ?? kept.idKey, cursorKeys: cursorKeys ?? kept.cursorKeys }
}

function makeKeys(path: string): Keys {
  const keys = { idKey: randomBytes(32).toString('hex'), cursorKeys: `a:${randomBytes(32).toString('hex')}` }
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, `${JSON.stringify(keys)}\n`, { mode: 0o600, flag: 'wx' })
  return keys
}

function readKeys(path: string): Keys {
  try {
    return schema.parse(JSON.parse(readFileSync(path, 'utf8')))
  } catch {
    throw new LocalFault(
      `${path} cannot be read: give ID_KEY and CURSOR_KEYS, or start anew with ./ironsys clean`,
    )
  }
}
