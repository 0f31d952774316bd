/** Files that are generated and committed. Each knows how it is made; drift is a difference to what is committed. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { checkout, LocalFault, run } from '@ironsys/local'
import type { Context } from './command.ts'
import { firstDifference } from './difference.ts'
import { freshSchema } from './schema.ts'

export interface GeneratedFile {
  readonly path: string
  /** The command that writes it. */
  readonly command: string
  write(context: Context): Promise<void>
  /** Null when the committed file is what would be written now, else what differs. */
  drift(context: Context): Promise<string | null>
}

export const schemaFile = generatedFile(join(checkout, 'db', 'schema.sql'), 'schema', freshSchema)
export const openApiFile = generatedFile(join(checkout, 'docs', 'openapi.json'), 'openapi', freshOpenApi)
export const generatedFiles: readonly GeneratedFile[] = [schemaFile, openApiFile]

function generatedFile(
  path: string,
  command: string,
  make: (context: Context) => Promise<string>,
): GeneratedFile {
  return {
    path,
    command,
    write: async (context) => {
      const text = await make(context)
      mkdirSync(dirname(path), { recursive: true })
      writeFileSync(path, text)
      context.say(`${relative(checkout, path)} is written`)
    },
    drift: async (context) => {
      const fresh = await faultOf(make(context))
      if (typeof fresh !== 'string') return fresh.fault
      const difference = firstDifference(existsSync(path) ? readFileSync(path, 'utf8') : '', fresh)
      return difference === null ? null : `${difference}\n./ironsys ${command} writes it anew`
    },
  }
}

async function freshOpenApi({ environment }: Context): Promise<string> {
  const args = [join('apps', 'api', 'src', 'openapi-file.ts')]
  const outcome = await run(process.execPath, args, { cwd: checkout, env: environment })
  if (outcome.code !== 0) throw new LocalFault('the OpenAPI document could not be made', outcome.output)
  return `${outcome.output.trimEnd()}\n`
}

/** A step of `verify` that cannot run has failed; the others go on. */
async function faultOf(made: Promise<string>): Promise<string | { readonly fault: string }> {
  try {
    return await made
  } catch (error) {
    if (error instanceof LocalFault) return { fault: `${error.message}\n${error.logTail}` }
    throw error
  }
}
