/** Whom an address stands for: an IPv4 address, or what one IPv6 customer has, the first 64 bits. */
import { isIPv4, isIPv6 } from 'node:net'

/** Of what is no address, too: all of these count as one. */
const UNKNOWN = 'unknown'

/** The first four words where they are written out, as sockets write them: by far the most common form, and a fast one. */
const canonicalNetwork = /^([1-9a-f][0-9a-f]{0,3}(?::(?:0|[1-9a-f][0-9a-f]{0,3})){3}):/

/** `address` as sockets and proxies write it; an IPv4 address mapped into IPv6 is the IPv4 address. */
export function addressKey(address: string): string {
  if (!address.includes(':')) return isIPv4(address) ? address : UNKNOWN
  const mapped = mappedIPv4(address)
  if (mapped !== null) return mapped
  const network = canonicalNetwork.exec(address)?.[1]
  if (network !== undefined && isIPv6(address)) return `${network}::/64`
  const bare = address.split('%', 1)[0] ?? ''
  if (!isIPv6(bare)) return UNKNOWN
  const words = wordsOf(bare)
  const [, , , , , sixth, seventh, eighth] = words
  if (words.slice(0, 5).every((word) => word === 0) && sixth === 0xffff) {
    return [seventh, eighth].flatMap((word = 0) => [word >> 8, word & 0xff]).join('.')
  }
  return `${words
    .slice(0, 4)
    .map((word) => word.toString(16))
    .join(':')}::/64`
}

/** The form in which sockets give it, fast. */
function mappedIPv4(address: string): string | null {
  if (!address.startsWith('::ffff:') && !address.startsWith('::FFFF:')) return null
  const rest = address.slice(7)
  return isIPv4(rest) ? rest : null
}

/** The eight words of an IPv6 address in any of its forms. */
function wordsOf(address: string): readonly number[] {
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(address)
  if (dotted !== null) {
    const [a = 0, b = 0, c = 0, d = 0] = dotted.slice(2).map(Number)
    return wordsOf(`${dotted[1]}${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`)
  }
  const [head = '', tail] = address.split('::')
  const before = parseWords(head)
  if (tail === undefined) return before
  const after = parseWords(tail)
  return [...before, ...Array<number>(8 - before.length - after.length).fill(0), ...after]
}

function parseWords(text: string): readonly number[] {
  return text === '' ? [] : text.split(':').map((word) => Number.parseInt(word, 16))
}
