/** Reads a command's own options; everything unknown is a usage fault. */
import { type ParseArgsConfig, parseArgs } from 'node:util'
import { UsageFault } from './command.ts'

type Options = NonNullable<ParseArgsConfig['options']>

/** Options only. Throws {@link UsageFault}. */
export function readOptions<const O extends Options>(args: readonly string[], options: O) {
  return parsed(() => parseArgs({ args: [...args], options, allowPositionals: false, strict: true }).values)
}

/** Options and words. Throws {@link UsageFault}. */
export function readArguments<const O extends Options>(args: readonly string[], options: O) {
  return parsed(() => parseArgs({ args: [...args], options, allowPositionals: true, strict: true }))
}

export function requireNoArguments(args: readonly string[]): void {
  if (args.length > 0) throw new UsageFault(`unexpected argument: ${args[0]}`)
}

function parsed<T>(parse: () => T): T {
  try {
    return parse()
  } catch (error) {
    throw new UsageFault(error instanceof Error ? error.message : String(error))
  }
}
