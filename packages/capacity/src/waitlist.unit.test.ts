import { describe, expect, test } from 'vitest'
import { firstThatFits, LINE_WINDOW } from './waitlist.ts'

const line = (...quantities: readonly number[]) =>
  quantities.map((quantity, index) => ({ quantity, place: index + 1 }))

describe('the first that fits', () => {
  test.each([
    ['the head, though others fit better', line(2, 3, 1), 3, 1],
    ['who fits to the unit', line(4, 3), 3, 2],
    ['one behind a head that is too large', line(9, 9, 1), 3, 3],
    ['nobody, where nobody fits', line(4, 5), 3, undefined],
    ['nobody of nobody', line(), 3, undefined],
    ['nobody into nothing', line(1), 0, undefined],
  ])('is %s', (_who, waiting, units, place) => {
    expect(firstThatFits(waiting, units)?.place).toBe(place)
  })

  test('is looked for as far as a hundred, and no further is read', () => {
    const large = (count: number) => Array.from({ length: count }, () => 5)
    expect(firstThatFits(line(...large(99), 1), 1)?.place).toBe(100)
    let read = 0
    const counted = function* () {
      for (const claim of line(...large(100), 1)) {
        read++
        yield claim
      }
    }
    expect(firstThatFits(counted(), 1)).toBeUndefined()
    expect(read).toBe(LINE_WINDOW)
  })
})
