/** What the text of an option means; everything else is a usage fault. */
import { type SlotId, slotIdSchema } from '@ironsys/contracts'
import { UsageFault } from './command.ts'

/** A decimal integer within bounds. Throws {@link UsageFault}. */
export function wholeNumber(
  name: string,
  text: string,
  min: number,
  max: number = Number.MAX_SAFE_INTEGER,
): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
  if (value >= min && value <= max) return value
  const bounds = max === Number.MAX_SAFE_INTEGER ? `from ${min}` : `from ${min} to ${max}`
  throw new UsageFault(`${name}: ${text} is not a whole number ${bounds}`)
}

/** One of a closed list. Throws {@link UsageFault}. */
export function oneOf<const T extends string>(name: string, text: string, values: readonly T[]): T {
  const value = values.find((each) => each === text)
  if (value !== undefined) return value
  throw new UsageFault(`${name}: ${text} is none of ${values.join(', ')}`)
}

/** The id of a slot. Throws {@link UsageFault}. */
export function slotIdValue(name: string, text: string): SlotId {
  const { data } = slotIdSchema.safeParse(text)
  if (data !== undefined) return data
  throw new UsageFault(`${name}: ${text} is not a slot id`)
}
