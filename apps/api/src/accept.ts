/** Which form of an answer a client wants: `Accept` (RFC 9110 §12.5.1). */

/**
 * The one of `offered` that `header` likes best, the first of them among equals; null when it allows none. A type's
 * weight is that of the most specific range that names it.
 */
export function acceptedType<T extends string>(
  header: string | undefined,
  offered: readonly [T, ...T[]],
): T | null {
  if (header === undefined || header.trim() === '') return offered[0]
  const ranges = header.split(',').map(readRange)
  const weightOf = (type: T) => {
    const [kind] = type.split('/')
    const named = [type, `${kind}/*`, '*/*'].map((name) => ranges.find((range) => range.name === name))
    return named.find((range) => range !== undefined)?.weight ?? 0
  }
  let best: T | null = null
  let bestWeight = 0
  for (const type of offered) {
    const weight = weightOf(type)
    if (weight > bestWeight) {
      best = type
      bestWeight = weight
    }
  }
  return best
}

/** Parameters other than the weight are not looked at: there is one form of each type. */
function readRange(text: string): { readonly name: string; readonly weight: number } {
  const [name = '', ...parameters] = text.split(';').map((part) => part.trim().toLowerCase())
  const weight = parameters.find((each) => /^q\s*=/.test(each))
  const value = weight === undefined ? 1 : Number(weight.slice(weight.indexOf('=') + 1))
  return { name, weight: value >= 0 && value <= 1 ? value : 0 }
}
