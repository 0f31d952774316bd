/** Plants a bug: the source of a module is changed as it is loaded, in this thread only, and nothing on disk. */
import { registerHooks } from 'node:module'
import { type Mutant, mutants } from './mutants/index.ts'

export interface Planted {
  /** Throws unless every edit of the mutant was made. */
  requireComplete(): void
}

/** Throws when there is no mutant of this name. */
export function findMutant(name: string): Mutant {
  const mutant = mutants.find((each) => each.name === name)
  if (mutant === undefined) {
    throw new Error(`there is no mutant ${name}; there are ${mutants.map((each) => each.name).join(', ')}`)
  }
  return mutant
}

/** To be called before anything loads what is changed. An edit that does not fit exactly once is an error. */
export function plantMutant({ name, edits }: Mutant): Planted {
  const open = new Set(edits)
  registerHooks({
    load: (url, context, next) => {
      const loaded = next(url, context)
      const here = edits.filter(({ file }) => url.endsWith(`/${file}`))
      if (here.length === 0) return loaded
      let source = String(loaded.source)
      for (const edit of here) {
        source = changed(source, edit, name)
        open.delete(edit)
      }
      return { ...loaded, source }
    },
  })
  return {
    requireComplete: () => {
      const files = [...open].map(({ file }) => file)
      if (files.length > 0)
        throw new Error(`mutant ${name}: ${files.join(', ')} is not loaded by the simulation`)
    },
  }
}

function changed(source: string, { file, find, replace }: Mutant['edits'][number], name: string): string {
  const parts = source.split(find)
  if (parts.length !== 2) {
    throw new Error(
      `mutant ${name}: ${JSON.stringify(find)} is ${parts.length - 1} times in ${file}, not once`,
    )
  }
  return parts.join(replace)
}
