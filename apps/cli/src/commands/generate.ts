/** `schema` and `openapi`: write the generated files anew. */
import { requireNoArguments } from '../arguments.ts'
import type { Command } from '../command.ts'
import { type GeneratedFile, openApiFile, schemaFile } from '../generated.ts'

export const schemaCommand = writes(
  schemaFile,
  'write db/schema.sql anew',
  'Migrates an empty database and dumps it. ./ironsys verify fails when the committed file differs.',
)

export const openApiCommand = writes(
  openApiFile,
  'write docs/openapi.json anew',
  'From the schemas in packages/contracts. ./ironsys verify fails when the committed file differs.',
)

function writes(file: GeneratedFile, summary: string, details: string): Command {
  return {
    name: file.command,
    summary,
    usage: '',
    details,
    run: async (args, context) => {
      requireNoArguments(args)
      await file.write(context)
      return 0
    },
  }
}
