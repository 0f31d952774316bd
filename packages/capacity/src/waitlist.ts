/** Who is served next when units become free. */

/** As far as the line is looked at: whoever is behind waits until somebody before leaves. */
export const LINE_WINDOW = 100

/**
 * The first in line that fits into `units`, among the first {@link LINE_WINDOW}; undefined when none of them does. A large
 * party at the head lets smaller ones pass, but nobody behind the window, so that the work is bounded.
 */
export function firstThatFits<C extends { readonly quantity: number }>(
  line: Iterable<C>,
  units: number,
): C | undefined {
  let place = 0
  for (const claim of line) {
    if (claim.quantity <= units) return claim
    place++
    if (place === LINE_WINDOW) return undefined
  }
  return undefined
}
